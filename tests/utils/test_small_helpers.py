"""Weak references, names of running modules, points that fill the cube, contexts around code."""

import numpy as np
import pytest
import torch

import kuai
from kuai.utils import _contextlib, weak
from kuai.utils.module_tracker import ModuleTracker


def test_a_dict_of_tensors_forgets_them():
    x, y = kuai.ones(2), kuai.ones(2)
    names = weak.WeakTensorKeyDictionary({x: "x"})
    names[y] = "y"
    assert names[x] == "x" and len(names) == 2 and set(names.values()) == {"x", "y"}
    del y
    assert len(names) == 1 and kuai.ones(2) not in names
    reference = weak.TensorWeakRef(x)
    assert reference() is x
    del x
    assert reference() is None and not names


def test_running_modules_are_known_by_name():
    seen = []

    class Inner(kuai.nn.Linear):
        def forward(self, x):
            seen.append((sorted(tracker.parents), tracker.is_bw))
            return super().forward(x)

    net = kuai.nn.Sequential(Inner(2, 2), kuai.nn.ReLU())
    with ModuleTracker() as tracker:
        y = net(kuai.ones(1, 2))
        y.register_hook(lambda g: seen.append((sorted(tracker.parents), tracker.is_bw)))
        assert tracker.parents == {"Global"}
        y.sum().backward()
    assert seen[0] == (["Global", "Sequential", "Sequential.0"], False)
    assert seen[1][1]


@pytest.mark.parametrize("dimension", [1, 3, 60])
def test_sobols_points_are_pytorchs(dimension):
    def drawn(t):
        engine = t.quasirandom.SobolEngine(dimension)
        first = engine.draw(5)
        engine.fast_forward(3)
        return [np.asarray(each) for each in (first, engine.draw_base2(3), engine.reset().draw())]

    for found, expected in zip(drawn(kuai), drawn(torch), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert repr(kuai.quasirandom.SobolEngine(2, True, 3)) == repr(
        torch.quasirandom.SobolEngine(2, True, 3)
    )


@pytest.mark.parametrize("t", [torch, kuai])
def test_refused_points(t):
    with pytest.raises(ValueError, match="Supported range of dimensionality"):
        t.quasirandom.SobolEngine(0)
    engine = t.quasirandom.SobolEngine(1)
    engine.draw(3)
    with pytest.raises(ValueError, match="require n to be a power of 2"):
        engine.draw_base2(2)


def test_contexts_around_functions_and_generators():
    def numbers():
        got = yield kuai.is_grad_enabled()
        yield kuai.is_grad_enabled(), got

    steps = _contextlib.context_decorator(kuai.no_grad, numbers)()
    assert next(steps) is False and kuai.is_grad_enabled()
    assert steps.send("x") == (False, "x")
    assert _contextlib.context_decorator(kuai.no_grad(), kuai.is_grad_enabled)() is False
    with pytest.raises(RuntimeError, match="Cannot decorate classes"):
        _contextlib.context_decorator(kuai.no_grad, kuai.nn.Module)
