"""Standardization, the core of all normalizations: x̂ = (x - E[x]) / sqrt(Var[x] + eps).

The derivative is written by hand, dx̂ = (dx - E[dx] - x̂·E[dx·x̂]) / sqrt(Var[x] + eps), so that both
the tangent and its transpose, the backward pass, read the data twice only and keep x̂ alone. It is
a jvp rule rather than a vjp rule, so forward mode and higher derivatives work as well.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.dimensions import size_of

__all__ = ["affine", "check_batch_size", "refuse_integers", "refuse_mixed", "standardize"]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def standardize(x, axes, eps):
    """The standardized array with its mean and (biased) variance, dimensions kept."""
    mean = jnp.mean(x, axes, keepdims=True)
    centered = x - mean
    variance = jnp.mean(jnp.square(centered), axes, keepdims=True)
    return centered * jax.lax.rsqrt(variance + eps), mean, variance


@standardize.defjvp
def _standardize_jvp(axes, eps, primals, tangents):
    (change,) = tangents
    output, mean, variance = standardize(*primals, axes, eps)
    scale = jax.lax.rsqrt(variance + eps)
    shift = jnp.mean(change, axes, keepdims=True)
    along = jnp.mean(change * output, axes, keepdims=True)
    change_output = scale * (change - shift - output * along)
    return (output, mean, variance), (change_output, shift, 2 * along / scale)


def affine(x, weight, bias, shape, dtype):
    if weight is not None:
        x = x * weight.reshape(shape)
    if bias is not None:
        x = x + bias.reshape(shape)
    return x.astype(dtype)


def refuse_integers(name, input):
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(input.dtype)}'")


def refuse_mixed(input, *others):
    """Parameters have the input's dtype, or float32 for a 16-bit input."""
    kinds = {other.dtype for other in others if other is not None}
    if kinds <= {input.dtype} or (input.dtype.itemsize == 2 and kinds == {jnp.dtype("float32")}):
        return
    if kinds != {jnp.dtype("float32")}:
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def check_batch_size(shape, shown):
    count = size_of(shape, (0, *range(2, len(shape)))) if len(shape) else 1
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shown}"
        )
