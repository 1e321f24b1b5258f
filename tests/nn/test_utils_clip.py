"""Clipping gradients and parameters as one vector, on torch and on Kuai."""

import math

import numpy as np
import pytest
import torch

import kuai
from tests.compilations import compilations

INFINITY = float("inf")


def parameters(t, gradients):
    made = [t.ones(len(numbers), requires_grad=True) for numbers in gradients]
    for parameter, numbers in zip(made, gradients, strict=True):
        parameter.grad = t.tensor(numbers)
    return made


GRADIENTS = [[3.0, -4.0], [0.5], [1.0, 2.0, -20.0]]


def gradients_of(made):
    return [parameter.grad.tolist() for parameter in made]


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.0, INFINITY, -INFINITY, 0.0])
@pytest.mark.parametrize("max_norm", [1.0, 1000.0])
def test_clip_grad_norm(norm_type, max_norm):
    found = []
    for t in (kuai, torch):
        made = parameters(t, GRADIENTS)
        total = t.nn.utils.clip_grad_norm_(made, max_norm, norm_type)
        found.append([[total.item()], *gradients_of(made)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_clip_grad_value():
    found = []
    for t in (kuai, torch):
        made = parameters(t, [*GRADIENTS, [math.nan, -9.0]])
        assert t.nn.utils.clip_grad_value_(iter(made), 1.5) is None
        found.append(gradients_of(made))
    np.testing.assert_equal(*found)


def test_one_tensor_and_missing_gradients():
    for t in (kuai, torch):
        (one,) = parameters(t, [[3.0, 4.0]])
        without = t.ones(2, requires_grad=True)
        assert t.nn.utils.clip_grad_norm_([without, one], 1.0).item() == 5.0
        t.nn.utils.clip_grad_value_(one, 0.1)
        np.testing.assert_allclose(one.grad.tolist(), [0.1, 0.1])
        assert t.nn.utils.clip_grad_norm_([without], 1.0).item() == 0.0


def test_norm_apart_from_scaling():
    for t in (kuai, torch):
        made = parameters(t, GRADIENTS)
        total = t.nn.utils.get_total_norm([p.grad for p in made])
        assert not total.requires_grad
        t.nn.utils.clip_grads_with_norm_(made, 2.0, total)
        norm = math.hypot(*(x for numbers in gradients_of(made) for x in numbers))
        assert norm == pytest.approx(2.0, rel=1e-5)


def test_dtypes_are_kept():
    for t in (kuai, torch):
        half = t.ones(2, dtype=t.float16, requires_grad=True)
        half.grad = t.ones(2, dtype=t.float16) * 3
        (single,) = parameters(t, [[1.0, 2.0]])
        total = t.nn.utils.clip_grad_norm_([half, single], 1.0)
        assert str(total.dtype) == "torch.float32"
        assert str(half.grad.dtype) == "torch.float16"
        np.testing.assert_allclose(half.grad.tolist(), [0.6255, 0.6255], rtol=1e-3)


@pytest.mark.parametrize("bad", [math.nan, INFINITY])
def test_error_if_nonfinite(bad):
    messages = []
    for t in (kuai, torch):
        made = parameters(t, [[bad, 1.0]])
        with pytest.raises(RuntimeError) as caught:
            t.nn.utils.clip_grad_norm_(made, 1.0, error_if_nonfinite=True)
        messages.append(str(caught.value))
        np.testing.assert_equal(gradients_of(made), [[bad, 1.0]])
    assert messages[0] == messages[1]


def test_empty_generator_warns():
    for t in (kuai, torch):
        with pytest.warns(UserWarning, match="empty generator"):
            t.nn.utils.clip_grad_norm_((p for p in []), 1.0)


@pytest.mark.parametrize("norm_type", [INFINITY, -INFINITY])
def test_empty_tensor_has_no_extreme(norm_type):
    messages = []
    for t in (kuai, torch):
        with pytest.raises(RuntimeError) as caught:
            t.nn.utils.get_total_norm([t.zeros(0)], norm_type)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_clipping_stays_in_the_compiled_step():
    w = kuai.ones(3, requires_grad=True)

    @kuai.compile(fullgraph=True)
    def step(x):
        w.grad = None
        (w * x).sum().backward()
        norm = kuai.nn.utils.clip_grad_norm_([w], 1.0)
        kuai.nn.utils.clip_grad_value_([w], 0.5)
        return norm

    x = kuai.tensor([0.0, 3.0, 4.0])
    assert step(x).item() == pytest.approx(5.0)
    with compilations() as programs:
        step(x)
    assert programs == []
    np.testing.assert_allclose(w.grad.tolist(), [0.0, 0.5, 0.5])


def test_a_vector_and_back():
    for t in (kuai, torch):
        net = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Linear(2, 1))
        vector = t.nn.utils.parameters_to_vector(net.parameters())
        assert tuple(vector.shape) == (11,)
        numbers = t.arange(11.0)
        t.nn.utils.vector_to_parameters(numbers, net.parameters())
        assert net[0].bias.tolist() == [6.0, 7.0]
        numbers[6] = 100.0
        assert net[0].bias.tolist() == [100.0, 7.0]


def test_the_vector_is_differentiable():
    for t in (kuai, torch):
        w = t.ones(2, 2, requires_grad=True)
        t.nn.utils.parameters_to_vector([w, w]).sum().backward()
        assert w.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.nn.utils.vector_to_parameters([1.0], []),
        lambda t: t.nn.utils.parameters_to_vector([]),
        lambda t: t.nn.utils.vector_to_parameters(t.ones(3), [t.ones(2, 2)]),
    ],
)
def test_errors_of_vectors(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(kuai)
    assert str(ours.value) == str(theirs.value)
