"""Powers and roots, element by element."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import cast, category, result_dtype
from kuai.ops.elementwise import (
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    call,
    floating,
    kind_of,
    refuse,
    together,
)
from kuai.ops.known_values import check_operand
from kuai.ops.math import slopes


@op(inplace=True, grad="PowBackward0", autocast={"cuda": "float32"})
def square(input: Array):
    """x² of each element.

    Example:
        >>> kuai.square(kuai.tensor([1.0, -3.0]))
        tensor([1., 9.])
    """
    return _times_itself(input)


def _times_itself(input):
    if kind_of(input) == BOOL:
        input = cast(input, jnp.dtype("int64"))
    return input * input


@op(inplace=True)
def sqrt(input: Array):
    """√x of each element.

    Example:
        >>> kuai.sqrt(kuai.tensor([4.0, 9.0]))
        tensor([2., 3.])
    """
    return jnp.sqrt(floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def rsqrt(input: Array):
    """1 / √x of each element.

    Example:
        >>> kuai.rsqrt(kuai.tensor([4.0, 16.0]))
        tensor([0.5000, 0.2500])
    """
    return jax.lax.rsqrt(floating(input))


_FIXED_EXPONENTS = (-2, -1, -0.5, 0, 0.5, 2, 3, 4)


@op(function=False, method=False, name="pow", grad="PowBackward0", autocast={"cuda": "float32"})
def power_fixed(input: Array, exponent: float):
    """A power whose exponent is part of the program: no general power is computed."""
    input = to_dtype_of_power(input, exponent)
    if exponent in (0.5, -0.5):
        return jnp.sqrt(input) if exponent > 0 else jax.lax.rsqrt(input)
    return input * input if exponent == 2 else jax.lax.integer_pow(input, int(exponent))


def to_dtype_of_power(input, exponent):
    """The base as an array of the dtype its power has."""
    return cast(input, result_dtype(input, exponent))


@op(function=False, method=False, name="pow", grad="PowBackward0", autocast={"cuda": "float32"})
def power_of_number(input: Array, exponent: Number):
    """A power whose exponent is a number that travels as an input."""
    input, exponent = together(input, exponent)
    return slopes.power(input, jax.lax.stop_gradient(exponent)).astype(input.dtype)


def _grad_name(input, exponent) -> str:
    """PyTorch has three nodes: for a number as exponent, for two tensors, for a number as base."""
    if not hasattr(exponent, "shape"):
        return "PowBackward0"
    return "PowBackward1" if hasattr(input, "shape") else "PowBackward2"


@op(function=False, method=False, name="pow", grad=_grad_name, autocast={"cuda": "float32"})
def power_general(input: Array | Number, exponent: Array | Number):
    """A power of which both may be tensors."""
    input, exponent = together(input, exponent)
    refuse("pow", input, BOOL)
    if kind_of(input) == INTEGER:
        return _whole_power(input, exponent)
    return slopes.power(input, exponent)


def _whole_power(input, exponent):
    """A power of integers: with a negative exponent the integer part of it, 1, -1 or 0."""
    power = slopes.whole_power(*jnp.broadcast_arrays(input, exponent))
    odd = jnp.where(exponent % 2 == 0, 1, input)
    return jnp.where(exponent < 0, jnp.where(abs(input) == 1, odd, 0), power).astype(input.dtype)


@composite(inplace=True)
def pow(input, exponent, *, out=None):
    """`input` to the power of `exponent`.

    Small exponents are compiled in, others travel as inputs.

    Example:
        >>> kuai.pow(kuai.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
        >>> kuai.pow(2, kuai.tensor([1.0, 2.0, 3.0]))
        tensor([2., 4., 8.])
    """
    if isinstance(exponent, Tensor):
        return call(power_general, out, input, exponent)
    _check_integer_power(input, exponent)
    check_operand(exponent, input)
    if isinstance(exponent, (int, float)) and exponent in _FIXED_EXPONENTS:
        return call(power_fixed, out, input, exponent)
    return call(power_of_number, out, input, exponent)


def _check_integer_power(input, exponent) -> None:
    if not isinstance(exponent, int) or exponent >= 0 or not isinstance(input, Tensor):
        return
    if category(input.dtype.jax) < FLOATING:
        raise RuntimeError("Integers to negative integer powers are not allowed.")


@composite
def float_power(input, exponent, *, out=None):
    """The power computed in float64 (or complex128).

    Example:
        >>> kuai.float_power(kuai.tensor([2, 3]), 2)
        tensor([4., 9.], dtype=torch.float64)
    """
    return call(power_in_double, out, input, exponent)


_IN_DOUBLE = (
    "the output given to float_power has dtype {found} but the operation's result requires dtype "
    "{wanted}"
)


@op(function=False, method=False, name="float_power", grad=_grad_name, exact_out=_IN_DOUBLE)
def power_in_double(input: Array | Number, exponent: Array | Number):
    """A power of doubles."""
    wide = jnp.dtype("complex128" if COMPLEX in (kind_of(input), kind_of(exponent)) else "float64")
    input, exponent = together(cast(input, wide), cast(exponent, wide))
    return slopes.power(input, exponent)
