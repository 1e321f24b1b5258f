"""Sums of 16-bit numbers, which are added in float32 and rounded once, as PyTorch's kernels do.

Added in bfloat16, ten thousand tenths are 980 or even 32: from some size on the total stays what it
is. What is broadcast is summed in the backward pass, so `spread` broadcasts in float32: XLA
makes nothing of that forward, and the sum that is its transpose is in float32.
"""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["averaged", "in_wide", "spread", "summed", "wide_dtype", "widened"]


def wide_dtype(kind):
    """The dtype that numbers of a dtype are added in: float32 for 16-bit and 8-bit floats."""
    is_narrow = jnp.issubdtype(kind, jnp.floating) and kind.itemsize < 4
    return np.dtype(np.float32) if is_narrow else kind


def widened(array: jax.Array) -> jax.Array:
    """The array in the dtype it is to be added in.

    Example:
        >>> widened(jax.numpy.ones(2, "bfloat16")).dtype.name
        'float32'
    """
    return array.astype(wide_dtype(array.dtype))


def in_wide(function, array: jax.Array) -> jax.Array:
    """`function` of the widened array, rounded to the array's own dtype."""
    return function(widened(array)).astype(array.dtype)


def summed(array: jax.Array, axis=None, keepdims: bool = False) -> jax.Array:
    """The sum over some dimensions in the array's own dtype, rounded once.

    Example:
        >>> float(summed(jax.numpy.full(10000, 0.125, "bfloat16")))
        1248.0
    """
    kind = wide_dtype(array.dtype)
    return in_wide(lambda wide: jnp.sum(wide, axis, dtype=kind, keepdims=keepdims), array)


def averaged(array: jax.Array, axis=None, keepdims: bool = False) -> jax.Array:
    """The mean over some dimensions in the array's own dtype, rounded once."""
    kind = wide_dtype(array.dtype)
    return in_wide(lambda wide: jnp.mean(wide, axis, dtype=kind, keepdims=keepdims), array)


def spread(array: jax.Array, shape) -> jax.Array:
    """The array broadcast to a shape; its gradient is summed in float32."""
    if array.shape == tuple(shape):
        return array
    return in_wide(lambda wide: jnp.broadcast_to(wide, shape), array)
