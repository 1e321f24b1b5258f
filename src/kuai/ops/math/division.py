"""Quotients and remainders, element by element."""

import math

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import category, result_dtype
from kuai.ops.elementwise import (
    BOOL,
    COMPLEX,
    INTEGER,
    call,
    divided,
    kind_of,
    refuse,
    rounded_once,
    times_number,
    together,
)
from kuai.ops.known_values import known


@op(function=False, method=False, name="div", grad="DivBackward0")
def divide_plain(input: Array | Number, other: Array | Number):
    """`input / other`, the operation behind `div` and `/`."""
    return times_number(divided, input, other, to_float=True)


@op(function=False, method=False, name="div", grad="DivBackward2")
def divide_truncated(input: Array | Number, other: Array | Number):
    """The quotient rounded towards zero."""
    first, second = together(input, other)
    refuse("div_trunc_cpu", first, BOOL, COMPLEX)
    if kind_of(first) == INTEGER:
        return jax.lax.div(*jnp.broadcast_arrays(first, second))
    return rounded_once(lambda input, other: jnp.trunc(input / other), input, other)


@op(function=False, method=False, name="floor_divide", grad="DivBackward2")
def divide_floored(input: Array | Number, other: Array | Number):
    """The quotient rounded down."""
    first, second = together(input, other)
    refuse("div_floor_cpu", first, BOOL, COMPLEX)
    if kind_of(first) == INTEGER:
        return jnp.floor_divide(first, second)
    return rounded_once(_floored, input, other)


def _floored(input, other):
    input, other = together(input, other)
    exact, rounded = input / other, jnp.floor_divide(input, other)
    rounded = jnp.where(rounded == 0, jnp.copysign(rounded, exact), rounded)
    # The quotient by 0 is no step: its slope would be 1 / 0, and that of a step is 0.
    return jnp.where(other == 0, jax.lax.stop_gradient(exact), rounded)


@jax.custom_vjp
def _without_gradient(quotient, *operands):
    return quotient  # which is a step: without its operands nobody would ask for a gradient


def _no_gradient(residuals, gradient):
    raise RuntimeError("derivative for aten::floor_divide is not implemented")


_without_gradient.defvjp(lambda quotient, *operands: (quotient, None), _no_gradient)


@op(function=False, method=False, name="floor_divide", grad="NotImplemented")
def divide_whole(input: Array | Number, other: Array | Number):
    """The quotient rounded down, which PyTorch has no derivative of."""
    return _without_gradient(divide_floored.pure(input, other), input, other)


@composite(inplace=True, aliases=("divide",))
def div(input, other, *, rounding_mode=None, out=None):
    """`input / other`; integers are divided as floating point numbers.

    Args:
        rounding_mode: `"trunc"` rounds the quotient towards zero, `"floor"` down; both keep
            integers integers.

    Example:
        >>> kuai.div(kuai.tensor([7, -7]), 2)
        tensor([ 3.5000, -3.5000])
        >>> kuai.div(kuai.tensor([7, -7]), 2, rounding_mode="floor")
        tensor([ 3, -4])
    """
    if rounding_mode is None:
        return call(divide_plain, out, input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' "
            f"but found '{rounding_mode}'"
        )
    _check_divisor(input, other)
    return call(divide_truncated if rounding_mode == "trunc" else divide_floored, out, input, other)


@composite(inplace=True)
def true_divide(input, other, *, out=None):
    """`input / other`, as `div` without rounding.

    Example:
        >>> kuai.true_divide(kuai.tensor([1, 2]), 2)
        tensor([0.5000, 1.0000])
    """
    return call(divide_plain, out, input, other)


@composite(inplace=True)
def floor_divide(input, other, *, out=None):
    """The quotient rounded down, as Python's `//`.

    Example:
        >>> kuai.floor_divide(kuai.tensor([7.0, -7.0]), 2)
        tensor([ 3., -4.])
    """
    _check_divisor(input, other)
    return call(divide_whole, out, input, other)


@op(function=False, method=False, name="remainder", grad="RemainderBackward0")
def remainder_plain(input: Array | Number, other: Array | Number):
    """The remainder with the divisor's sign."""
    input, other = together(input, other)
    refuse("remainder_cpu", input, BOOL, COMPLEX)
    return jnp.remainder(input, other)


@composite(inplace=True)
def remainder(input, other, *, out=None):
    """The remainder of division, with the sign of the divisor, as Python's `%`.

    Example:
        >>> kuai.remainder(kuai.tensor([7, -7]), 3)
        tensor([1, 2])
    """
    _check_divisor(input, other)
    return call(remainder_plain, out, input, other)


@op(function=False, method=False, name="fmod", grad="FmodBackward0")
def fmod_plain(input: Array | Number, other: Array | Number):
    """The remainder with the dividend's sign."""
    input, other = together(input, other)
    refuse("fmod_cpu", input, BOOL, COMPLEX)
    return jax.lax.rem(*jnp.broadcast_arrays(input, other))


@composite(inplace=True)
def fmod(input, other, *, out=None):
    """The remainder of division, with the sign of the dividend, as C's `fmod`.

    Example:
        >>> kuai.fmod(kuai.tensor([7, -7]), 3)
        tensor([ 1, -1])
    """
    _check_divisor(input, other)
    return call(fmod_plain, out, input, other)


def _check_divisor(input, other) -> None:
    """PyTorch's error for whole numbers divided by a zero that is known."""
    if not _holds_zero(other) or category(result_dtype(input, other)) != INTEGER:
        return
    if all(math.prod(each.shape) for each in (input, other) if isinstance(each, Tensor)):
        raise RuntimeError("ZeroDivisionError")


def _holds_zero(divisor) -> bool:
    if not isinstance(divisor, Tensor):
        return isinstance(divisor, int) and divisor == 0
    if divisor.dtype.jax.kind not in "iub":
        return False
    values = known(divisor)
    return values is not None and not values.all()
