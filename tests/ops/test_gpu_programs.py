"""A program for a GPU has nothing in it that is made for a CPU; it is lowered here, not run."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine.tensor.acceleration import (
    allow_tensor_float,
    is_tensor_float_allowed,
    whole_program,
)
from kuai.ops.native import library
from kuai.ops.nn import attention, fused_attention

# sizes that no other test has: what is traced here is a GPU's program
LAYERS = {
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 13, 3, padding=1), nn.BatchNorm2d(13), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(13, 13, 3, groups=13), nn.Conv2d(13, 26, 1), nn.ConvTranspose2d(26, 5, 4, 2),
        ),
        (2, 3, 19, 19),
    ),
    "LSTM": (lambda: nn.LSTM(70, 68), (9, 3, 70)),
    "GRU": (lambda: nn.GRU(21, 19, bidirectional=True), (9, 3, 21)),
    "encoder": (lambda: nn.TransformerEncoderLayer(22, 2, 37, 0.1), (7, 3, 22)),
}  # fmt: skip


@pytest.fixture
def on_a_gpu(monkeypatch):
    """What operations ask about the machine is answered as on one with a GPU."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def lowered(net, shape, for_program):
    """The gradients of a layer for CUDA, as text."""

    def loss(weights, x):
        given = {name: kuai.as_tensor(weight) for name, weight in weights.items()}
        out = kuai.func.functional_call(net, given, (kuai.as_tensor(x),))
        out = out[0] if isinstance(out, tuple) else out
        return (out * out).sum().__jax_array__()

    def step(weights, x):
        with whole_program() if for_program else contextlib.nullcontext():
            return jax.grad(loss)(weights, x)

    weights = {name: weight.__jax_array__() for name, weight in net.named_parameters()}
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.jit(step).trace(weights, x).lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.parametrize("name", LAYERS)
def test_there_is_no_kernel_for_cpus_in_it(name, on_a_gpu):
    make, shape = LAYERS[name]
    for for_program in (False, True):
        text = lowered(make(), shape, for_program)
        assert "kuai_convolution" not in text and "kuai_lstm" not in text
        assert "kuai_keep" not in text
        if name == "convolutions":
            assert "stablehlo.convolution" in text


@pytest.mark.skipif(not library.is_available(), reason="there are no kernels here")
def test_the_same_way_finds_them_in_a_program_for_cpus():
    weight, x = jnp.ones((13, 3, 3, 3), "f"), jnp.ones((2, 3, 17, 17), "f")

    def convolved(x):
        return kuai.conv2d(kuai.as_tensor(x), kuai.as_tensor(weight)).sum().__jax_array__()

    assert "kuai_convolution" in jax.jit(convolved).lower(x).as_text()


def test_convolutions_have_a_precision_of_their_own(on_a_gpu):
    def text(size):
        def convolved(x):
            weight = kuai.as_tensor(jnp.ones((5, 3, 3, 3), "f"))
            return kuai.conv2d(kuai.as_tensor(x), weight).sum().__jax_array__()

        x = jax.ShapeDtypeStruct((2, 3, size, 23), jnp.float32)
        return jax.jit(convolved).trace(x).lower(lowering_platforms=("cuda",)).as_text()

    assert kuai.backends.cudnn.allow_tf32 is True
    assert "HIGHEST" not in text(21)
    with kuai.backends.cudnn.flags(allow_tf32=False):
        assert kuai.backends.cudnn.allow_tf32 is is_tensor_float_allowed() is False
        assert "HIGHEST" in text(21)
    kuai.backends.cudnn.allow_tf32 = False
    assert "HIGHEST" in text(22)
    allow_tensor_float(True)
    assert kuai.backends.cudnn.allow_tf32 is True
    assert "HIGHEST" not in text(22)


# Attention ----------------------------------------------------------------------------------------


@pytest.fixture
def kernel(monkeypatch):
    """JAX's own formula in the place of cuDNN's kernel, which takes and gives the same."""
    formula = jax.nn.dot_product_attention

    def attend(*arrays, implementation, **options):
        assert implementation == "cudnn"
        return formula(*arrays, implementation="xla", **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", attend)


def _arrays(shape, source):
    made = np.random.default_rng(0)
    shapes = shape, (*shape[:-2], source, shape[-1]), (*shape[:-2], source, shape[-1])
    return [jnp.asarray(made.standard_normal(each), jnp.float16) for each in shapes]


@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (6, 5, 8), (2, 2, 3, 5, 8)])
@pytest.mark.parametrize("kind", ["none", "causal", "rows", "each", "keys", "closed"])
def test_the_fused_kernel_means_what_the_formula_means(shape, kind, kernel):
    made = np.random.default_rng(1)
    masks = {
        "rows": made.random((5, 7)) > 0.4,
        "each": made.random((*shape[:-2], 5, 7)) > 0.4,
        "keys": made.random(7) > 0.4,
        "closed": np.zeros((5, 7), bool),
    }
    mask = jnp.asarray(masks[kind]) if kind in masks else None
    arguments = *_arrays(shape, 7), mask, kind == "causal", 0.3
    found = fused_attention.fused_attention(*arguments)
    wanted = attention.attend(None, *arguments, (), False)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(found.astype("f"), wanted.astype("f"), atol=4e-3)


def test_the_formula_is_taken_where_there_is_no_kernel(kernel):
    q, k, v = _arrays((2, 3, 5, 8), 7)
    fused = fused_attention.fused_attention
    assert fused(q, k, v, None, False, 0.3) is not None
    assert fused(*(x.astype("f") for x in (q, k, v)), None, False, 0.3) is None
    assert fused(q, k[:, :1], v[:, :1], None, False, 0.3) is None
    assert fused(q, k, v, jnp.zeros((5, 7), jnp.float16), False, 0.3) is None
    assert fused(q[:, :, :0], k, v, None, False, 0.3) is None


def test_without_cudnn_jax_s_refusal_leads_to_the_formula():
    if jax.default_backend() != "cpu":
        pytest.skip("there may be a kernel")
    q, k, v = _arrays((2, 3, 5, 8), 7)
    assert fused_attention.fused_attention(q, k, v, None, False, 0.3) is None
    found = attention.attend(None, q, k, v, None, True, 0.3, (), True)
    wanted = attention.attend(None, q, k, v, None, True, 0.3, (), False)
    np.testing.assert_array_equal(found, wanted)
