"""Gradients at the edges: PyTorch's, and where PyTorch's are nan those that users expect."""

import numpy as np
import pytest
import torch

import kuai

NAN, INF = float("nan"), float("inf")
EDGES = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, INF, -INF, NAN, 1e-30, -0.0, 3.0]
FINITE = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 1e-30, 3.0]
PAIRS = np.array(np.meshgrid(EDGES, EDGES)).reshape(2, -1).tolist()
AWAY = [pair for pair in zip(*PAIRS, strict=True) if pair != (0.0, 0.0)]
SPOTS = [0, 0, 1, 1, 2, 2]


def _scattered(include_self):
    def call(t, x, source):
        spots = t.tensor(SPOTS)
        return t.scatter_reduce(x, 0, spots, source, "prod", include_self=include_self)

    return call


SAME = {
    "pow": (lambda t, x, y: x**y, *PAIRS),
    "pow number": (lambda t, x: (x**0.3, x**0, x**2.0, x**1), EDGES),
    "number pow": (lambda t, x: (0.0**x, 1.0**x, 2**x), EDGES),
    "float_power": (lambda t, x, y: t.float_power(x, y), *PAIRS),
    "atan2": (lambda t, x, y: t.atan2(x, y), *PAIRS),
    "hypot": (lambda t, x, y: t.hypot(x, y), *zip(*AWAY, strict=True)),
    "xlogy": (lambda t, x, y: t.xlogy(x, y), *zip(*AWAY, strict=True)),
    "logaddexp": (lambda t, x, y: t.logaddexp(x, y), *PAIRS),
    "logaddexp2": (lambda t, x, y: t.logaddexp2(x, y), *PAIRS),
    "div floor": (lambda t, x, y: t.div(x, y, rounding_mode="floor"), *PAIRS),
    "div trunc": (lambda t, x, y: t.div(x, y, rounding_mode="trunc"), *PAIRS),
    "maximum": (lambda t, x, y: t.maximum(x, y), *PAIRS),
    "minimum": (lambda t, x, y: t.minimum(x, y), *PAIRS),
    "nextafter": (lambda t, x, y: t.nextafter(x, y), *PAIRS),
    "i0": (lambda t, x: t.i0(x), EDGES),
    "entr": (lambda t, x: t.special.entr(x), EDGES),
    "logit": (lambda t, x: t.logit(x), [0.0, 1.0, -1.0, 2.0, 0.5, 1e-30, INF, NAN]),
    "logit eps": (lambda t, x: t.logit(x, 0.1), [0.0, 1.0, -1.0, 2.0, 0.5]),
    "digamma": (lambda t, x: t.digamma(x), [0.0, -0.0, 0.5, -0.5, 1e-30, INF, -INF, NAN]),
    "lgamma": (lambda t, x: t.lgamma(x), [0.0, -0.0, 0.5, -0.5, 1e-30, 3.0]),
    "polygamma": (lambda t, x: t.polygamma(2, x), [0.0, -1.0, 0.5, 2.0, 1e-30]),
    "ndtri": (lambda t, x: t.special.ndtri(x), [0.0, 1.0, 0.5, 1e-30]),
    "scatter_reduce": (_scattered(True), [1.0, 2.0, 0.0, 5.0], [1.0, 4.0, 0.0, 3.0, 2.0, 3.0]),
    "scatter_reduce zeros": (_scattered(True), [0.0, 2.0, 3.0], [1.0, 0.0, 0.0, 0.0, 2.0, 2.0]),
    "scatter_reduce without": (_scattered(False), [0.0, 2.0, 3.0], [1.0, 0.0, 0.0, 0.0, 2.0, 2.0]),
    "max nan": (lambda t, x: (x.max(), x.min()), [1.0, NAN, NAN]),
    "clamp nan": (lambda t, x: x.clamp(min=NAN), FINITE),
    "eig": (
        lambda t, x: (t.linalg.eig(x)[1].abs(), t.linalg.eig(x)[0].abs()),
        [[1.0, 2.0], [3.0, 4.0]],
    ),
    "eigvals": (lambda t, x: t.linalg.eigvals(x).abs(), [[1.0, 2.0], [-3.0, 4.0]]),
}


def _results(t, call, inputs):
    tensors = [t.tensor(v, dtype=t.float64).requires_grad_(True) for v in inputs]
    outputs = call(t, *tensors)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(output.sum() for output in outputs).backward()
    return [output.detach().numpy() for output in outputs], [x.grad.numpy() for x in tensors]


@pytest.mark.parametrize("row", SAME.values(), ids=SAME)
def test_values_and_gradients_are_pytorchs(row):
    call, *inputs = row
    (ours, our_gradients), (theirs, gradients) = (_results(t, call, inputs) for t in (kuai, torch))
    for found, wanted in zip((*ours, *our_gradients), (*theirs, *gradients), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-12)


SENSIBLE = {
    "logsumexp": (lambda x: x.logsumexp(0), [-INF, -INF], [0.0, 0.0]),
    "logsumexp rows": (
        lambda x: x.logsumexp(1).sum(),
        [[-INF, -INF], [0.0, -INF]],
        [[0, 0], [1, 0]],
    ),
    "hypot": (lambda x: kuai.hypot(x, kuai.zeros(1, dtype=x.dtype)), [0.0], [0.0]),
    "det": (lambda x: kuai.linalg.det(x), [[1.0, 2.0], [2.0, 4.0]], [[4.0, -2.0], [-2.0, 1.0]]),
    "kl_div": (
        lambda x: kuai.nn.functional.kl_div(kuai.zeros(2, dtype=x.dtype), x, reduction="sum"),
        [0.0, 1.0],
        [0.0, 1.0],
    ),
}


TWICE = {
    "scatter_reduce": (_scattered(True), [1.0, 2.0, 0.0, 5.0], [1.0, 4.0, 0.0, 3.0, 2.0, 3.0]),
    "scatter_reduce without": (_scattered(False), [0.0, 2.0, 3.0], [1.0, 0.5, 0.0, 3.0, 2.0, 2.0]),
    "eigvals": (lambda t, x: t.linalg.eigvals(x).abs(), [[1.0, 2.0], [-3.0, 4.0]]),
}


@pytest.mark.parametrize("row", TWICE.values(), ids=TWICE)
def test_second_derivatives_are_pytorchs(row):
    call, *inputs = row
    for found, wanted in zip(*(_second(t, call, inputs) for t in (kuai, torch)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-12)


def _second(t, call, inputs):
    tensors = [t.tensor(v, dtype=t.float64).requires_grad_(True) for v in inputs]
    slopes = t.autograd.grad(call(t, *tensors).square().sum(), tensors, create_graph=True)
    steps = [t.arange(1.0, x.numel() + 1).reshape(x.shape) for x in tensors]
    along = sum((slope * step).sum() for slope, step in zip(slopes, steps, strict=True))
    return [slope.numpy() for slope in t.autograd.grad(along, tensors)]


@pytest.mark.parametrize("row", SENSIBLE.values(), ids=SENSIBLE)
def test_gradients_that_pytorch_has_as_nan_or_zero(row):
    call, values, wanted = row
    x = kuai.tensor(values, dtype=kuai.float64, requires_grad=True)
    call(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), wanted)


@pytest.mark.parametrize("need_weights", [False, True])
def test_one_padded_sample_spares_the_others(need_weights):
    attention = kuai.nn.MultiheadAttention(2, 1, batch_first=True)
    x = kuai.randn(2, 3, 2, requires_grad=True)
    padding = kuai.tensor([[False] * 3, [True] * 3])
    output, weights = attention(x, x, x, key_padding_mask=padding, need_weights=need_weights)
    output.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in (x, *attention.parameters()))
    assert output.isfinite().all()
    if need_weights:
        assert (weights[1] == 0).all()


def test_quantile_between_equal_infinities():
    assert kuai.tensor([1.0, INF, INF]).quantile(0.9).item() == INF


@pytest.mark.parametrize("call", [lambda x: x**2.5, lambda x: kuai.atan2(x, x * x), kuai.i0])
def test_second_derivatives(call):
    x = kuai.tensor([0.3, 1.7], dtype=kuai.float64, requires_grad=True)
    assert kuai.autograd.gradgradcheck(call, (x,))


@pytest.mark.parametrize("exponent", [1, 1.0, True])
def test_a_first_power_has_a_second_derivative(exponent):
    for framework in (torch, kuai):
        x = framework.tensor([0.0, -3.0], requires_grad=True)
        (first,) = framework.autograd.grad((x**exponent).sum(), x, create_graph=True)
        (second,) = framework.autograd.grad(first.sum(), x)
        assert (first.tolist(), second.tolist()) == ([1, 1], [0, 0])
    assert (kuai.tensor([True]) ** True).dtype == kuai.bool


@pytest.mark.parametrize(("UPLO", "place"), [("L", (0, 1)), ("U", (1, 0))])
def test_only_one_triangle_is_looked_at(UPLO, place):
    results = []
    for framework in (torch, kuai):
        matrix = framework.tensor([[2.0, 1.0], [1.0, 3.0]])
        matrix[place] = float("nan")
        results.append(framework.linalg.eigvalsh(matrix, UPLO).tolist())
    assert results[0] == pytest.approx(results[1])


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(28, 28), (5, 12), (64, 100)])
def test_the_map_that_changes_nothing_has_pytorchs_places_to_the_bit(size, align_corners):
    # every place is the middle of a pixel, where the derivative is another on each side
    picture = np.random.default_rng(0).normal(size=(1, 1, *size)).astype(np.float32)
    found = []
    for t in (torch, kuai):
        theta = t.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], requires_grad=True)
        grid = t.nn.functional.affine_grid(theta, picture.shape, align_corners=align_corners)
        values = t.nn.functional.grid_sample(t.tensor(picture), grid, align_corners=align_corners)
        (values * t.arange(values.numel()).view(values.shape)).sum().backward()
        found.append((grid.detach().numpy(), theta.grad.numpy()))
    np.testing.assert_array_equal(found[1][0], found[0][0])
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-4)
    if not align_corners:
        replayed = kuai.compile(lambda t: kuai.nn.functional.affine_grid(t, (1, 1, *size), False))
        np.testing.assert_array_equal(replayed(theta.detach()).numpy(), found[0][0])
