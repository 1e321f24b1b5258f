"""A number for what a tensor holds, to see whether something has changed."""

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.dimensions import normalize_dims
from kuai.ops.elementwise import FLOATING, kind_of

__all__ = ["hash_tensor"]

_HASHED = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32")
_HASHED += ("float64",)


@op(exact_out=SAME)
def hash_tensor(
    input: Array, dim: int | tuple[int, ...] | None = (), *, keepdim: bool = False, mode: int = 0
):
    """The exclusive or of all elements' bits, or of those along some dimensions, in uint64.

    Floats are first converted to float64, other numbers to int64.

    Args:
        dim: a dimension, or several; all of them by default.
        mode: 0, the only one there is.

    Example:
        >>> kuai.hash_tensor(kuai.tensor([1, 2, 4]))
        tensor(7, dtype=torch.uint64)
    """
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.dtype.name not in _HASHED:
        raise NotImplementedError(
            f"\"xor_sum_cpu\" not implemented for '{scalar_name(input.dtype)}'"
        )
    dims = normalize_dims(dim, input.ndim)
    _refuse_nothing(input.shape, dim, dims)
    wide = input.astype(jnp.float64 if kind_of(input) >= FLOATING else jnp.int64)
    bits = lax.bitcast_convert_type(wide, jnp.uint64)
    zero = jnp.zeros((), jnp.uint64)
    result = lax.reduce(bits, zero, lax.bitwise_xor, tuple(d for d in dims if input.ndim))
    return jnp.expand_dims(result, sorted(dims)) if keepdim and input.ndim else result


def _refuse_nothing(shape, dim, dims) -> None:
    """Refuse to hash no elements at all."""
    if dim in (None, (), []) and 0 in shape:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify "
            "the reduction dim with the 'dim' argument."
        )
    for place in dims:
        if shape and shape[place] == 0:
            shown = dim if isinstance(dim, int) else place
            raise IndexError(f"hash_tensor: Expected reduction dim {shown} to have non-zero size.")
