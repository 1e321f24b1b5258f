"""Gradients that a compiled step leaves in `.grad` take the memory of the last ones, unnoticed."""

import jax
import numpy as np
import pytest

import kuai
from kuai import nn
from tests.engine.training import make_step


def make():
    return make_step(300, 300, 3, lr=0.1)


def batches(count=5):
    kuai.manual_seed(1)
    return [kuai.randn(4, 300) for _ in range(count)]


def pointer(weight):
    return weight.grad._storage.held.array.unsafe_buffer_pointer()


def grads(net):
    return [parameter.grad.numpy().copy() for parameter in net.parameters()]


def test_the_memory_is_used_again():
    net, step = make()
    step, weight = kuai.compile(step), net[0].weight
    step(batches()[0])
    where = pointer(weight)
    for x in batches():
        step(x)
        assert pointer(weight) == where
    assert len(step.programs) == 1


KEEPERS = {
    "the tensor": (lambda weight: weight.grad, lambda kept: kept.numpy()),
    "a detached one": (lambda weight: weight.grad.detach(), lambda kept: kept.numpy()),
    "a view": (lambda weight: weight.grad[:2], lambda kept: kept.numpy()),
    "a copy": (lambda weight: weight.grad.clone(), lambda kept: kept.numpy()),
    "a NumPy array": (lambda weight: weight.grad.numpy(), lambda kept: kept),
    "a JAX array": (lambda weight: jax.numpy.asarray(weight.grad), np.asarray),
    "in a list": (lambda weight: [weight.grad], lambda kept: kept[0].numpy()),
    "in a graph": (
        lambda weight: (weight.grad * kuai.ones(1, requires_grad=True)).sum(),
        lambda kept: kuai.autograd.grad(kept, list(_leaf(kept)), retain_graph=True)[0].numpy(),
    ),
}


def _leaf(tensor):
    node = tensor.grad_fn
    while node.next_functions and not hasattr(node, "variable"):
        node = next(n for n, _ in node.next_functions if n is not None)
    yield node.variable


@pytest.mark.parametrize("how", KEEPERS)
def test_what_someone_has_kept_stays(how):
    keep, read = KEEPERS[how]
    (net, step), (expected, eager) = make(), make()
    step = kuai.compile(step)
    for x in batches():
        step(x)
        eager(x)
        kept = keep(net[0].weight)
        before = read(kept).copy()
        step(x)
        eager(x)
        assert np.array_equal(read(kept), before)
        for one, other in zip(grads(net), grads(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


CHANGES = {
    "set to None": lambda weight: setattr(weight, "grad", None),
    "another tensor": lambda weight: setattr(weight, "grad", kuai.ones(300, 300)),
    "written in place": lambda weight: weight.grad.mul_(2),
    "given to another": lambda weight: setattr(kuai.ones(300, 300, requires_grad=True), "grad",
                                               weight.grad),
}  # fmt: skip


@pytest.mark.parametrize("how", CHANGES)
def test_changed_between_calls(how):
    (net, step), (expected, eager) = make(), make()
    step = kuai.compile(step)
    for x in batches():
        losses = [step(x).item(), eager(x).item()]
        np.testing.assert_allclose(*losses, rtol=1e-5)
        for one, other in zip(grads(net), grads(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        CHANGES[how](net[0].weight)
        CHANGES[how](expected[0].weight)


def test_tied_weights_and_several_functions():
    (net, step), (expected, eager) = make(), make()
    step, other = kuai.compile(step), kuai.compile(step)
    for x in batches():
        for compiled in (step, other):
            np.testing.assert_allclose(compiled(x).item(), eager(x).item(), rtol=1e-5)
            np.testing.assert_allclose(grads(net)[0], grads(expected)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rebinds", [False, True])
def test_gradients_zeroed_in_place_may_be_replaced_between_calls(rebinds):
    def make():
        kuai.manual_seed(0)
        net = nn.Linear(3, 2)
        optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)

        def step(x):
            if rebinds and net.weight.grad is not None:
                net.weight.grad = net.weight.grad
            optimizer.zero_grad(set_to_none=False)
            net(x).square().mean().backward()
            optimizer.step()

        return net, step

    (net, step), (expected, eager) = make(), make()
    step = kuai.compile(step)
    for number in range(5):
        x = kuai.randn(4, 3)
        step(x)
        eager(x)
        for one, other in zip(grads(net), grads(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
        if number > 0:
            for each in (net, expected):
                each.weight.grad = kuai.full((2, 3), 0.1)
    assert len(step.programs) <= 2
