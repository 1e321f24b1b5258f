"""kuai.autograd.functional against PyTorch's."""

import numpy as np
import pytest
import torch

import kuai


def a(t):
    return t.linspace(-1, 1, 3)


def b(t):
    return t.linspace(0.5, 2, 3)


CASES = {
    "vjp": lambda t, F: F.vjp(lambda x: x.sin() * 2, a(t), b(t)),
    "vjp of two": lambda t, F: F.vjp(lambda x, y: (x * y).sum(), (a(t), b(t))),
    "jvp": lambda t, F: F.jvp(lambda x: x.sin() * 2, a(t), b(t)),
    "jacobian": lambda t, F: F.jacobian(lambda x: x.sin() * x.sum(), a(t)),
    "jacobian of two": lambda t, F: F.jacobian(lambda x, y: (x * y, x.sum()), (a(t), b(t))),
    "forward": lambda t, F: F.jacobian(
        lambda x: x.sin() * x.sum(), a(t), strategy="forward-mode", vectorize=True
    ),
    "hessian": lambda t, F: F.hessian(lambda x: x.pow(3).prod(), a(t)),
    "hessian of two": lambda t, F: F.hessian(lambda x, y: (x * y).pow(2).sum(), (a(t), b(t))),
    "hvp": lambda t, F: F.hvp(lambda x: x.pow(3).sum() * x.sum(), a(t), b(t)),
    "vhp": lambda t, F: F.vhp(lambda x, y: (x * y).pow(2).sum(), (a(t), b(t)), (b(t), a(t))),
}


def flat(nested):
    if not isinstance(nested, tuple):
        return [nested]
    return [leaf for part in nested for leaf in flat(part)]


@pytest.mark.parametrize("name", CASES)
def test_same_as_torch(name):
    ours = flat(CASES[name](kuai, kuai.autograd.functional))
    theirs = flat(CASES[name](torch, torch.autograd.functional))
    for mine, reference in zip(ours, theirs, strict=True):
        assert mine.shape == reference.shape and mine.requires_grad == reference.requires_grad
        np.testing.assert_allclose(mine.numpy(), reference.numpy(), rtol=1e-4, atol=1e-5)


def test_create_graph():
    x = kuai.ones(2, requires_grad=True)
    made = kuai.autograd.functional.jacobian(lambda x: x.pow(3), x, create_graph=True)
    (found,) = kuai.autograd.grad(made.sum(), x)
    assert found.tolist() == [6.0, 6.0]
