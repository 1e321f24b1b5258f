"""Norms of vectors along dimensions, and vectors divided by them."""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op, write_out
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide, spread, wide_dtype, widened
from kuai.ops.dimensions import normalize_dims
from kuai.ops.elementwise import divided, magnitude
from kuai.ops.math.norms import extreme_of


@op(function=False, method=False, grad="DivBackward0", autocast={"cuda": "float32"})
def _normalize_op(input: Array, p: float, dim: int | tuple, eps: Number):
    wide = widened(input)
    norm = vector_norm(wide, p, dim, keepdims=True)
    if wide.dtype != input.dtype:
        norm = _rounded(norm, input.dtype)
    least = jnp.asarray(eps, norm.dtype).astype(_real(input.dtype)).astype(norm.dtype)
    limited = jnp.where(norm < eps, least, norm)
    return divided(wide, spread(limited, input.shape)).astype(input.dtype)


def _real(kind):
    """The dtype of the sizes of an array's elements."""
    return jnp.finfo(kind).dtype


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _rounded(norm, kind):
    """The norm as a narrower dtype has it. Its gradient is not rounded: in the gradient of x/‖x‖
    two large terms nearly cancel, and what is rounded before remains."""
    of = jnp.finfo(kind)
    return jax.lax.reduce_precision(norm, of.nexp, of.nmant)


@_rounded.defjvp
def _rounded_jvp(kind, primals, tangents):
    return _rounded(*primals, kind), tangents[0]


def vector_norm(x, p, dim, keepdims=False):
    """The p-norm along dimensions, whose derivative at 0 is 0; a 0-d array is a vector of one."""
    dim = normalize_dims(dim, x.ndim)
    if jnp.iscomplexobj(x):
        return vector_norm(magnitude(x), p, dim, keepdims)
    if wide_dtype(x.dtype) != x.dtype:
        return in_wide(lambda wide: vector_norm(wide, p, dim, keepdims), x)
    if p == float("inf"):
        return extreme_of(jnp.max, jnp.abs(x), dim, keepdims)
    if p == 0:
        return jnp.sum(x != 0, axis=dim, keepdims=keepdims).astype(x.dtype)
    size = jnp.abs(jnp.where(x == 0, jnp.zeros((), x.dtype), x))
    if p == 1:
        return jnp.sum(size, axis=dim, keepdims=keepdims)
    powers = x * x if p == 2 else _safe_power(size, p)
    total = jnp.sum(powers, axis=dim, keepdims=keepdims)
    return _safe_power(total, 1 / p)


def _safe_power(x, p):
    """xᵖ of x ≥ 0 whose derivative at 0 is 0 instead of ∞. Of negative p it is ∞ there."""
    positive = x > 0
    base = jnp.where(positive, x, jnp.ones((), x.dtype))
    power = jnp.sqrt(base) if p == 0.5 else base**p
    return jnp.where(positive, power, x * 0 + (0 if p > 0 else jnp.inf))


@composite(function=False, method=False, functional=True)
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(‖x‖ₚ, eps) along `dim`.

    Example:
        >>> kuai.nn.functional.normalize(kuai.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            + scalar_name(input.dtype.jax)
        )
    output = _normalize_op(input, float(p), dim, float(eps))
    return output if out is None else write_out(out, output, name="div")
