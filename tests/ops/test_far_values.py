"""Gradients where squares on the way are infinite or 0, and beside inf and NaN: PyTorch's."""

import numpy as np
import pytest
import torch

import kuai

INF, NAN = float("inf"), float("nan")
CASES = {
    "div in float16": (lambda t, x, y: x / y, "float16", [1e-3, 2.0, 1e-6], [1e-3, 300.0, 3e-5]),
    "div": (lambda t, x, y: x / y, "float32", [1e-25, 1e20, 3.0], [1e-25, 1e30, -1e-22]),
    "addcdiv": (lambda t, x, y: t.addcdiv(x, x, y), "float32", [1e-15, 3.0], [1e-15, 1e15]),
    "normalize": (lambda t, x: t.nn.functional.normalize(x, dim=0), "float32", [3e38, 3e38, -3e38]),
    "normalize p=-1": (lambda t, x: t.nn.functional.normalize(x, p=-1.0, dim=0), "float32", [0, 2]),
    "cosine": (
        lambda t, x: t.nn.functional.cosine_similarity(x, x.detach(), dim=0),
        "float32",
        [3e38, 3e38, -3e38],
    ),
    "softsign": (lambda t, x: t.nn.functional.softsign(x), "float32", [1e20, -1e30, 0.0, 2.0]),
    "sinc": (lambda t, x: t.sinc(x), "float32", [1e-25, -1e-20, 0.0, 0.5]),
    "erfcx": (lambda t, x: t.special.erfcx(x), "float32", [1e20, 1e30, 8.0, 10.0]),
    "var": (lambda t, x: x.var(), "float32", [1.0, -INF, 2.0]),
    "var of the largest": (lambda t, x: x.var(correction=0), "float32", [3e38, 3e38, -3e38]),
    "std of too few": (lambda t, x: x.std(-1, correction=5), "float32", [0.0, 1.0, 0.0]),
    "renorm": (lambda t, x: x.reshape(2, 2).renorm(2, 0, 1.0), "float32", [NAN, 1.0, 3.0, 4.0]),
}


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize("ways", ["eager", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_far_out(name, ways):
    function, dtype, *values = CASES[name]

    def run(t):
        leaves = [t.tensor(v, dtype=getattr(t, dtype), requires_grad=True) for v in values]
        result = function(t, *leaves)
        return [result.detach(), *t.autograd.grad(result.sum(), leaves)]

    ours = kuai.compile(lambda: run(kuai)) if ways == "compiled" else lambda: run(kuai)
    for mine, theirs in zip(ours(), run(torch), strict=True):
        close = {"rtol": 2e-3 if dtype == "float16" else 1e-4, "atol": 1e-30}
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), **close)


def test_norms_of_negative_order_of_what_is_infinite():
    for x in ([INF, -INF], [INF, 1.0], [0.0, 1.0]):
        found, wanted = (t.linalg.vector_norm(t.tensor(x), -2) for t in (kuai, torch))
        assert found.item() == wanted.item()


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_nan_takes_the_gradient_of_an_extreme(name):
    """PyTorch's is NaN for all elements: none of them is equal to NaN."""
    for run in (lambda f: f, kuai.compile):
        x = kuai.tensor([[1.0, NAN, NAN], [INF, INF, 1.0]], requires_grad=True)
        (gradient,) = run(lambda x=x: kuai.autograd.grad(getattr(x, name)(1).sum(), x))()
        assert gradient[0].tolist() == [0.0, 0.5, 0.5]
        assert gradient[1].tolist() == ([0.5, 0.5, 0.0] if name == "amax" else [0.0, 0.0, 1.0])


def test_second_derivatives_of_sinc_near_0():
    x = kuai.tensor([0.0, 1e-20], dtype=kuai.float64, requires_grad=True)
    (slope,) = kuai.autograd.grad(kuai.sinc(x).sum(), x, create_graph=True)
    (bend,) = kuai.autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(bend.numpy(), -(np.pi**2) / 3)


def test_there_is_no_slope_along_a_dimension_of_a_number():
    for t in (torch, kuai):
        with pytest.raises(IndexError, match="Dimension specified as -1 but tensor has no dim"):
            t.gradient(t.tensor(1.0), dim=-1)
