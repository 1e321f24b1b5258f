"""Complex numbers from their parts, and their angles."""

import math

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, op
from kuai.engine.op.exact_out import SCALAR
from kuai.engine.tensor.promotion import cast, promote, scalar_name
from kuai.ops.accumulation import wide_dtype
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.math import slopes


def _pair(first, second) -> tuple:
    names = scalar_name(first.dtype), scalar_name(second.dtype)
    if not {first.dtype.name, second.dtype.name} <= {"float16", "float32", "float64"}:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {names[0]} and "
            f"{names[1]}"
        )
    if first.dtype != second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {names[0]} but got scalar type {names[1]} for second "
            "argument"
        )
    first, second = (x.astype(wide_dtype(x.dtype)) for x in (first, second))
    shape = broadcast_shapes(first.shape, second.shape)
    return jnp.broadcast_to(first, shape), jnp.broadcast_to(second, shape)


@op(method=False, exact_out=SCALAR)
def complex(real: Array, imag: Array):
    """Complex numbers with the given real and imaginary parts.

    Example:
        >>> kuai.complex(kuai.tensor([1.0]), kuai.tensor([2.0]))
        tensor([1.+2.j])
    """
    return lax.complex(*_pair(real, imag))


@op(method=False, autocast={"cpu": "float32"}, exact_out=SCALAR)
def polar(abs: Array, angle: Array):
    """Complex numbers with the given absolute values and angles.

    Example:
        >>> kuai.polar(kuai.tensor([2.0]), kuai.tensor([0.0]))
        tensor([2.+0.j])
    """
    size, angle = _pair(abs, angle)
    return lax.complex(size * jnp.cos(angle), size * jnp.sin(angle))


@op
def angle(input: Array):
    """The angle of complex numbers; 0 or pi for real ones.

    Example:
        >>> kuai.angle(kuai.tensor([-1.0, 1.0]))
        tensor([3.1416, 0.0000])
    """
    if input.dtype.kind == "c":
        return slopes.angle(input.imag, input.real)
    real = lax.stop_gradient(promote(input, to_float=True))
    found = jnp.where(real < 0, cast(math.pi, real.dtype), jnp.zeros((), real.dtype))
    return jnp.where(jnp.isnan(real), real, found)
