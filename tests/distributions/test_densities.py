"""Densities, moments, entropies and shapes beside PyTorch's: values and gradients."""

import contextlib

import numpy as np
import pytest
import torch

import kuai
from tests.distributions.cases import CASES, some

PROPERTIES = ("mean", "mode", "variance", "stddev", "support", "has_rsample")
METHODS = ("log_prob", "cdf", "icdf", "entropy", "perplexity", "enumerate_support")


def to_numpy(tensor):
    return np.asarray(tensor.detach().numpy())


def same(ours, theirs, rtol, what):
    assert str(ours.dtype) == str(theirs.dtype), what
    assert tuple(ours.shape) == tuple(theirs.shape), what
    np.testing.assert_allclose(
        to_numpy(ours), to_numpy(theirs), rtol=rtol, atol=rtol / 10, err_msg=what
    )


def asked(distribution, name, value):
    """One property or method; None where it is not there."""
    if name in PROPERTIES:
        return getattr(distribution, name)
    if name in ("log_prob", "cdf"):
        return getattr(distribution, name)(value)
    if name == "icdf":
        return distribution.icdf(value * 0 + 0.3)
    return getattr(distribution, name)()


def result(case, t, name):
    """What is asked for, and its gradients; the error's class where there is one."""
    differentiable = name not in ("support", "has_rsample")
    distribution, parameters, value = case.of(t, requires_grad=differentiable)
    value.requires_grad_(differentiable)
    try:
        found = asked(distribution, name, value)
    except (NotImplementedError, AttributeError) as error:
        return type(error).__name__, None
    if not hasattr(found, "requires_grad"):
        return repr(found), None
    if not found.requires_grad:
        return found, None
    weights = np.arange(1.0, found.numel() + 1).reshape(tuple(found.shape))
    total = (found * t.tensor(weights, dtype=found.dtype)).sum()
    try:
        return found, t.autograd.grad(total, [*parameters, value], allow_unused=True)
    except NotImplementedError:  # PyTorch knows no derivative of the incomplete gamma function
        return found, None


def some_is_known(gradient):
    return gradient is not None and bool((gradient.abs() > 0).any())


@pytest.mark.parametrize("name", some(CASES, 2))
@pytest.mark.filterwarnings("ignore")
def test_as_pytorchs(name):
    case = CASES[name]
    ours, _, _ = case.of(kuai)
    theirs, _, _ = case.of(torch)
    assert repr(ours) == repr(theirs)
    assert ours.batch_shape == tuple(theirs.batch_shape)
    assert ours.event_shape == tuple(theirs.event_shape)
    for asking in sorted({*PROPERTIES, *METHODS} - {*case.differing}):
        what = f"{name}.{asking}"
        wanted, gradients = result(case, torch, asking)
        found, own = result(case, kuai, asking)
        if isinstance(wanted, str):
            assert isinstance(found, str) and found == wanted, what
            continue
        same(found, wanted, case.rtol, what)
        if gradients is None or not any(map(some_is_known, gradients)):
            continue
        for mine, other in zip(own, gradients, strict=True):
            if some_is_known(other):
                same(mine, other, case.rtol * 100, f"gradient of {what}")


@pytest.mark.parametrize("name", some(CASES, 4))
def test_expand(name):
    case = CASES[name]
    ours, _, value = case.of(kuai)
    bigger = ours.expand((2, *ours.batch_shape))
    assert bigger.batch_shape == (2, *ours.batch_shape)
    assert bigger.event_shape == ours.event_shape
    assert type(bigger) is type(ours)
    np.testing.assert_allclose(
        to_numpy(bigger.log_prob(value)),
        np.broadcast_to(to_numpy(ours.log_prob(value)), bigger.log_prob(value).shape),
        rtol=1e-12,
    )
    with contextlib.suppress(NotImplementedError):
        assert bigger.variance.shape == (2, *ours.batch_shape, *ours.event_shape)
    assert bigger.sample((5,)).shape == (5, 2, *ours.batch_shape, *ours.event_shape)


@pytest.mark.parametrize("name", ["MultivariateNormal", "MultivariateNormal-precision", "Wishart"])
def test_what_was_computed_on_the_way_is_not_printed(name):
    ours, _, value = CASES[name].of(kuai)
    theirs, _, _ = CASES[name].of(torch)
    ours.log_prob(value), ours.entropy(), ours.sample()
    assert repr(ours) == repr(theirs)
