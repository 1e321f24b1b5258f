"""Masked reductions and normalisations beside PyTorch's: values and gradients."""

import itertools

import numpy as np
import pytest
import torch

import kuai
import kuai.masked
from tests.distributions.cases import some

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
INTEGERS = RNG.integers(-5, 5, (2, 3, 4))
MASK = RNG.random((2, 3, 4)) < 0.7
MASK[0, 0] = False

DIMS = (None, 0, -1, (0, 2), ())
CASES = {
    **{
        f"{name} {dim} {keepdim}": (
            lambda t, x, m, name=name, dim=dim, keepdim=keepdim: getattr(t.masked, name)(
                x, dim, keepdim=keepdim, mask=m
            )
        )
        for (i, name), (j, dim) in itertools.product(
            enumerate(("sum", "prod", "amax", "amin", "mean", "var", "std", "logsumexp")),
            enumerate(DIMS),
        )
        for keepdim in ((i + j) % 2 == 0,)
    },
    **{
        f"{name} {dim}": (
            lambda t, x, m, name=name, dim=dim: getattr(t.masked, name)(x, dim, mask=m)
        )
        for name in ("argmax", "argmin", "cumsum", "cumprod", "softmax", "log_softmax", "softmin")
        for dim in (0, -1)
    },
    **{
        f"norm {order}": lambda t, x, m, order=order: t.masked.norm(x, order, 1, mask=m)
        for order in (0, 1, 2, 3.5, float("inf"), -float("inf"))
    },
    "median": lambda t, x, m: t.masked.median(x, 1, mask=m),
    "normalize": lambda t, x, m: t.masked.normalize(x, 2.0, -1, mask=m),
    "logaddexp": lambda t, x, m: t.masked.logaddexp(x, 2 * x, input_mask=m, other_mask=m),
    "mask of fewer dimensions": lambda t, x, m: t.masked.sum(x, 1, mask=m[0, 1]),
    "no mask": lambda t, x, m: t.masked.mean(x, 1),
    "dtype": lambda t, x, m: t.masked.sum(x, 1, mask=m, dtype=t.float64),
    "correction": lambda t, x, m: t.masked.var(x, 0, correction=0, mask=m),
    "biased": lambda t, x, m: t.masked.var(x, -1, False, mask=m),
}


def run(t, call, array):
    """Value and gradient, or the error."""
    x = t.tensor(array)
    if array.dtype.kind == "f":
        x.requires_grad_(True)
    try:
        y = call(t, x, t.tensor(MASK))
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        return error, None
    if not y.requires_grad:
        return y, None
    return y, t.autograd.grad(y[t.isfinite(y)].sum(), [x], allow_unused=True)[0]


@pytest.mark.parametrize("name", some(CASES, 3))
def test_as_pytorchs(name):
    for array in (X, INTEGERS):
        (ours, gradient), (theirs, wanted) = (run(t, CASES[name], array) for t in (kuai, torch))
        if isinstance(theirs, Exception):
            assert isinstance(ours, Exception)
            assert isinstance(theirs, AssertionError) or str(ours) == str(theirs)
            continue
        assert str(ours.dtype) == str(theirs.dtype)
        assert tuple(ours.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-6
        )
        if wanted is not None:
            # what does not count has gradient 0, where PyTorch's may be nan
            is_known = ~np.isnan(wanted.numpy())
            np.testing.assert_allclose(
                gradient.numpy()[is_known], wanted.numpy()[is_known], rtol=1e-4, atol=1e-5
            )


def test_what_does_not_count_may_be_anything():
    x = kuai.tensor([1.0, float("nan"), float("inf"), 3.0], requires_grad=True)
    mask = kuai.tensor([True, False, False, True])
    for name in ("sum", "prod", "amax", "amin", "mean", "var", "std", "norm"):
        call = getattr(kuai.masked, name)
        (gradient,) = kuai.autograd.grad(call(x, mask=mask), [x])
        assert bool(kuai.isfinite(gradient).all()), name
        assert gradient[1] == 0 and gradient[2] == 0, name


REFUSED = {
    "large mask": lambda t, x: t.masked.sum(x[0], mask=t.ones(2, 3, 4, dtype=t.bool)),
    "twice": lambda t, x: t.masked.sum(x, (1, 1)),
    "outside": lambda t, x: t.masked.amax(x, 5),
    "mean of integers": lambda t, x: t.masked.mean(x.long()),
    "mean as integers": lambda t, x: t.masked.mean(x, dtype=t.int64),
    "both": lambda t, x: t.masked.var(x, 0, True, correction=1),
    "booleans": lambda t, x: t.masked.amax(x > 0, mask=x > 0),
    "empty median": lambda t, x: t.masked.median(x.long(), mask=t.zeros(4, dtype=t.bool)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    messages = []
    for t in (kuai, torch):
        with pytest.raises(Exception) as caught:
            REFUSED[name](t, t.tensor(X))
        messages.append(f"{caught.type.__name__}: {caught.value}")
    assert messages[0] == messages[1]
