"""Sums of 16-bit numbers are as right as PyTorch's, forward and backward: added in float32."""

import numpy as np
import pytest
import torch

import kuai

MANY = 20000


def _ones(t, x, *shape):
    return t.ones(*shape, dtype=x.dtype)


def _places(t):
    return t.zeros(MANY, dtype=t.int64)


SUMS = {
    "sum": lambda t, x: x.sum(),
    "sum dim": lambda t, x: x.view(2, -1).sum(1),
    "mean": lambda t, x: x.mean(),
    "nansum": lambda t, x: x.nansum(),
    "nanmean": lambda t, x: x.nanmean(),
    "var": lambda t, x: x.var(),
    "std": lambda t, x: t.std_mean(x)[0],
    "norm": lambda t, x: x.norm(),
    "norm 1": lambda t, x: t.linalg.vector_norm(x, 1),
    "matrix norm": lambda t, x: t.linalg.norm(x.view(100, -1)),
    "cumsum": lambda t, x: x.cumsum(0)[-1],
    "prod": lambda t, x: (x[:1] * 0 + 1.0078125).expand(300).prod(),
    "logsumexp": lambda t, x: t.logsumexp(x, 0),
    "softmax": lambda t, x: t.softmax(x, 0),
    "average pooling": lambda t, x: t.nn.functional.avg_pool1d(x.view(1, 1, -1), 5000),
    "adaptive pooling": lambda t, x: t.nn.functional.adaptive_avg_pool1d(x.view(1, 1, -1), 1),
    "scatter_add": lambda t, x: _ones(t, x, 2).scatter_add(0, _places(t), x),
    "index_add": lambda t, x: _ones(t, x, 2).index_add(0, _places(t), x),
    "embedding_bag": lambda t, x: t.nn.functional.embedding_bag(
        _places(t)[None], x[:, None], mode="sum"
    ),
    "normalize": lambda t, x: t.nn.functional.normalize(x, dim=0),
    "mse_loss": lambda t, x: t.nn.functional.mse_loss(x, x * 0, reduction="sum"),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(
        x.view(-1, 2), _places(t)[: MANY // 2]
    ),
}

GRADIENTS = {
    "add": lambda t, x: x[:1] + _ones(t, x, MANY),
    "mul": lambda t, x: x[:1] * _ones(t, x, MANY),
    "where": lambda t, x: t.where(t.ones(MANY) > 0, x[:1], _ones(t, x, MANY)),
    "maximum": lambda t, x: t.maximum(x[:1], _ones(t, x, MANY) * 0),
    "expand": lambda t, x: x[:1].expand(MANY),
    "repeat": lambda t, x: x[:2].repeat(MANY),
    "setitem": lambda t, x: _ones(t, x, MANY).index_put((_places(t)[:1],), x[:1]) + x[0],
    "index": lambda t, x: x[_places(t)],
    "gather": lambda t, x: x.gather(0, _places(t)),
    "index_select": lambda t, x: x.index_select(0, _places(t)),
    "embedding": lambda t, x: t.nn.functional.embedding(_places(t), x[:2, None]),
    "linear": lambda t, x: t.nn.functional.linear(_ones(t, x, MANY, 2), x[:4].view(2, 2), x[:2]),
    "addmm": lambda t, x: t.addmm(x[:2], _ones(t, x, MANY, 2), x[:4].view(2, 2)),
    "conv1d": lambda t, x: t.nn.functional.conv1d(
        _ones(t, x, 2, 1, MANY), x[:2].view(2, 1, 1), x[:2]
    ),
    "conv2d": lambda t, x: t.nn.functional.conv2d(
        _ones(t, x, 2, 2, 100, 100), x[:18].view(2, 1, 3, 3), x[:2], groups=2
    ),
    "conv_transpose2d": lambda t, x: t.nn.functional.conv_transpose2d(
        _ones(t, x, 2, 1, 100, 100), x[:18].view(1, 2, 3, 3), x[:2]
    ),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(
        _ones(t, x, MANY, 2).cumsum(1), (2,), x[:2], x[2:4]
    ),
    "batch_norm": lambda t, x: t.nn.functional.batch_norm(
        _ones(t, x, MANY, 2), x[:2].detach() * 0, x[:2].detach() * 0 + 1, x[:2], x[2:4]
    ),
    "prelu": lambda t, x: t.nn.functional.prelu(-_ones(t, x, MANY, 2), x[:2]),
    "outer": lambda t, x: t.outer(x[:1], _ones(t, x, MANY)),
    "addr": lambda t, x: t.addr(x[:1], _ones(t, x, MANY), x[1:2]),
    "inner": lambda t, x: t.inner(x[0], _ones(t, x, MANY)),
    "kron": lambda t, x: t.kron(x[:1], _ones(t, x, MANY)),
    "clamp": lambda t, x: t.clamp(_ones(t, x, MANY), max=x[0]),
    "masked_fill": lambda t, x: _ones(t, x, MANY).masked_fill(t.ones(MANY) > 0, x[0]),
    "index_fill": lambda t, x: _ones(t, x, MANY).index_fill(0, t.arange(MANY), x[0]),
    "put": lambda t, x: x[:1].put(_places(t), x, accumulate=True) * x[:1],
    "as_strided": lambda t, x: x[:2].as_strided((MANY,), (0,)),
    "unfold": lambda t, x: x[:999].unfold(0, 500, 1),
    "cummax": lambda t, x: (x[:1] + _ones(t, x, MANY).cumsum(0).flip(0) * 0 + 9).cummax(0)[0],
    "replicate": lambda t, x: t.nn.functional.pad(x[:2].view(1, 1, 2), (MANY, 0), "replicate"),
    "adaptive_max_pool1d": lambda t, x: t.nn.functional.adaptive_max_pool1d(
        x[:1].view(1, 1, 1), 3000
    ),
    "scatter_reduce": lambda t, x: (_ones(t, x, 1) * 0).scatter_reduce(
        0, _places(t), x[:1] * _ones(t, x, MANY), "amax"
    ),
    "gaussian_nll_loss": lambda t, x: t.nn.functional.gaussian_nll_loss(
        _ones(t, x, 1, MANY), _ones(t, x, 1, MANY) * 2, x[:1], reduction="sum"
    ),
    "attention": lambda t, x: t.nn.functional.scaled_dot_product_attention(
        _ones(t, x, 1, 3000, 4), x[:12].view(1, 3, 4), x[:12].view(1, 3, 4), attn_mask=x[:3]
    )[..., 0],
}


def _numbers():
    return np.random.default_rng(0).uniform(0.05, 0.2, MANY)


def _check(call, what, dtype):
    rounded = torch.tensor(_numbers()).to(getattr(torch, dtype)).double()
    ours = kuai.tensor(rounded.numpy(), dtype=getattr(kuai, dtype)).requires_grad_(True)
    theirs = rounded.requires_grad_(True)
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2}[dtype]
    found, wanted = what(call(kuai, ours), ours), what(call(torch, theirs), theirs)
    np.testing.assert_allclose(
        found.detach().double().numpy(), wanted.detach().numpy(), rtol=tolerance, atol=1e-6
    )


def _gradient(output, source):
    output.sum().backward()
    return source.grad


@pytest.mark.parametrize("call", SUMS.values(), ids=SUMS)
def test_sums(call):
    _check(call, lambda output, _: output, "bfloat16")


@pytest.mark.parametrize("name", ["mean", "norm", "softmax", "cumsum"])
def test_sums_of_halves(name):
    _check(SUMS[name], lambda output, _: output, "float16")


@pytest.mark.parametrize("call", GRADIENTS.values(), ids=GRADIENTS)
def test_gradients_of_what_is_broadcast(call):
    _check(call, _gradient, "bfloat16")


def test_the_least_of_computed_sizes_has_a_gradient_although_they_are_computed_twice():
    numbers = np.random.default_rng(0).normal(size=(200, 5, 2)).astype("float32") * 9
    x = torch.view_as_complex(torch.from_numpy(numbers)).requires_grad_()
    torch.linalg.vector_norm(x, -float("inf"), 1).sum().backward()
    y = kuai.tensor(x.detach().numpy()).requires_grad_()
    kuai.linalg.vector_norm(y, -float("inf"), 1).sum().backward()
    assert y.grad is not None and x.grad is not None
    np.testing.assert_allclose(y.grad.numpy(), x.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_gradients_are_clipped_and_not_lost():
    weight = kuai.nn.Parameter(kuai.ones(70000, dtype=kuai.float16))
    weight.grad = kuai.full((70000,), 8.0, dtype=kuai.float16)
    kuai.nn.utils.clip_grad_norm_([weight], 1.0)
    assert weight.grad[0].item() == pytest.approx(1 / 70000**0.5, rel=1e-2)


def test_recorded_sums_too():
    step = kuai.compile(lambda x: (x + kuai.ones(1, dtype=x.dtype)).sum())
    x = kuai.full((10000,), 0.1, dtype=kuai.bfloat16)
    assert [step(x).item() for _ in range(3)] == [11008.0] * 3


@pytest.mark.parametrize("dtype", [kuai.bfloat16, kuai.float16])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_the_gradient_of_a_unit_vector_is_rounded_once(dtype, p):
    x = kuai.tensor([[0.3, -1.7, 0.9], [0.0, 0.0, 2.6]], dtype=dtype, requires_grad=True)
    weights = kuai.tensor([[0.7, 1.1, -0.4], [0.2, 0.9, 1.3]], dtype=dtype)
    kuai.nn.functional.normalize(x, p).backward(weights)
    wide = x.detach().double().requires_grad_()
    (wide / kuai.linalg.vector_norm(wide, p, 1, keepdim=True)).backward(weights.double())
    digits = kuai.finfo(dtype).eps
    kuai.testing.assert_close(x.grad.double(), wide.grad, rtol=2 * digits, atol=digits / 4)
