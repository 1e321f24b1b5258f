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


VECTOR = {
    "square": lambda t: lambda x: x * x,
    "linear": lambda t: lambda x: x * 2,
    "constant": lambda t: lambda x: t.ones(3),
    "number": lambda t: lambda x: 3,
}
SCALAR = {
    "cube": lambda t: lambda x: (x**3).sum(),
    "linear": lambda t: lambda x: (x * 2).sum(),
    "constant": lambda t: lambda x: t.ones(()),
    "vector": lambda t: lambda x: x * x,
}


def _outcome(t, name, function, *arguments, **options):
    try:
        made = getattr(t.autograd.functional, name)(function, *arguments, **options)
    except Exception as error:  # noqa: BLE001 - any error is what is compared
        return type(error).__name__, str(error)
    return [leaf.detach().numpy().tolist() for leaf in flat(made)]


def _same_outcome(name, make, *options):
    for keywords in options:
        outcomes = []
        for t in (kuai, torch):
            vectors = () if name in ("jacobian", "hessian") else (b(t),)
            outcomes.append(_outcome(t, name, make(t), a(t), *vectors, **keywords))
        if isinstance(outcomes[1], tuple):
            assert outcomes[0] == outcomes[1]
        else:
            for ours, theirs in zip(*outcomes, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


OPTIONS = [{"strict": strict, "create_graph": graph} for strict in (0, 1) for graph in (0, 1)]


@pytest.mark.parametrize("name", ["jacobian", "vjp", "jvp"])
@pytest.mark.parametrize("make", VECTOR.values(), ids=VECTOR)
def test_strict_with_vectors(name, make):
    _same_outcome(name, make, *OPTIONS)


@pytest.mark.parametrize("name", ["hessian", "hvp", "vhp"])
@pytest.mark.parametrize("make", SCALAR.values(), ids=SCALAR)
def test_strict_with_scalars(name, make):
    _same_outcome(name, make, *OPTIONS)


WRONG = {
    "v": lambda F, t: F.vjp(lambda x: x * x, a(t), t.ones(5)),
    "v missing": lambda F, t: F.vjp(lambda x: x * x, a(t)),
    "v missing for jvp": lambda F, t: F.jvp(lambda x: x * x, a(t)),
    "v missing for hvp": lambda F, t: F.hvp(lambda x: (x * x).sum(), a(t)),
    "input": lambda F, t: F.jacobian(lambda x: x, 3),
    "inputs": lambda F, t: F.hessian(lambda x: x, (a(t), 3)),
    "strict and vectorised": lambda F, t: F.jacobian(
        lambda x: x, a(t), strict=True, vectorize=True
    ),
    "forward mode": lambda F, t: F.jacobian(lambda x: x, a(t), strategy="forward-mode"),
    "forward over reverse": lambda F, t: F.hessian(
        lambda x: (x * x).sum(), a(t), outer_jacobian_strategy="forward-mode"
    ),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_arguments(call):
    errors = []
    for t in (kuai, torch):
        with pytest.raises(Exception) as caught:
            call(t.autograd.functional, t)
        errors.append((type(caught.value).__name__, str(caught.value).replace("kuai.", "torch.")))
    assert errors[0] == errors[1]
