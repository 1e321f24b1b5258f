"""Arithmetic: sums, differences, products and signs, element by element.

All of them broadcast and promote their operands as PyTorch does. `add` and its like are ordinary
functions around an operation of two parameters, so that the common `x + y` carries no third one.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import FOUND
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import cast, category, result_dtype, scalar_name
from kuai.ops.accumulation import wide_dtype, widened
from kuai.ops.elementwise import (
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    call,
    divided,
    floating,
    kind_of,
    magnitude,
    refuse,
    rounded_once,
    times_number,
    together,
)

_TWO_BOOLS = (
    "Subtraction, the `-` operator, with two bool tensors is not supported. "
    "Use the `^` or `logical_xor()` operator instead."
)
_ONE_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
    "invert a mask, use the `~` or `logical_not()` operator instead."
)


@op(function=False, method=False, name="add", grad="AddBackward0")
def add_plain(input: Array | Number, other: Array | Number):
    """`input + other`, the operation behind `add` and `+`."""
    input, other = together(input, other)
    return input | other if kind_of(input) == BOOL else input + other


@op(function=False, method=False, name="add", grad="AddBackward0")
def add_scaled(input: Array | Number, other: Array | Number, alpha: Number):
    """`input + alpha * other`, the operation behind `add(..., alpha=...)`."""
    check_alpha(input, other, alpha)
    input, other = together(input, other)
    alpha = cast(alpha, other.dtype)
    if kind_of(input) == BOOL:
        return input | alpha * other
    return rounded_once(lambda input, other, alpha: input + alpha * other, input, other, alpha)


@op(function=False, method=False, name="sub", grad="SubBackward0")
def subtract_plain(input: Array | Number, other: Array | Number):
    """`input - other`, the operation behind `sub` and `-`."""
    check_subtraction(input, other)
    input, other = together(input, other)
    return input - other


@op(function=False, method=False, name="rsub", grad="RsubBackward1")
def subtract_from(input: Array | Number, other: Array | Number):
    """`other - input`, the operation behind `rsub` and a number on the left of `-`."""
    check_subtraction(other, input)
    input, other = together(input, other)
    return other - input


@op(function=False, method=False, name="sub", grad="SubBackward0")
def subtract_scaled(input: Array | Number, other: Array | Number, alpha: Number):
    """`input - alpha * other`, the operation behind `sub(..., alpha=...)`."""
    check_alpha(input, other, alpha)
    check_subtraction(input, other)
    input, other = together(input, other)
    alpha = cast(alpha, other.dtype)
    return rounded_once(lambda input, other, alpha: input - alpha * other, input, other, alpha)


@op(function=False, method=False, name="mul", grad="MulBackward0")
def multiply_plain(input: Array | Number, other: Array | Number):
    """`input * other`, the operation behind `mul` and `*`."""
    if category(result_dtype(input, other)) == BOOL:
        input, other = together(input, other)
        return input & other
    return times_number(jnp.multiply, input, other)


def check_alpha(input, other, alpha) -> None:
    """Refuse a factor of a wider category than what it is multiplied by."""
    kind, wanted = category(result_dtype(input, other)), category(alpha.dtype)
    if wanted == BOOL and kind != BOOL:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if wanted == COMPLEX and kind < COMPLEX:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )
    if wanted == FLOATING and kind < FLOATING:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )


def check_subtraction(input, other) -> None:
    bools = [category(value.dtype) == BOOL for value in (input, other)]
    if all(bools) and not (input.weak_type or other.weak_type):
        raise RuntimeError(_TWO_BOOLS)
    if any(bools):
        raise RuntimeError(_ONE_BOOL)


@composite(inplace=True)
def add(input, other, *, alpha=1, out=None):
    """`input + alpha * other`.

    Example:
        >>> kuai.add(kuai.tensor([1.0, 2.0]), kuai.tensor([10.0, 20.0]), alpha=2)
        tensor([21., 42.])
    """
    if type(alpha) is int and alpha == 1:
        return call(add_plain, out, input, other)
    return call(add_scaled, out, input, other, alpha)


@composite(inplace=True, aliases=("subtract",))
def sub(input, other, *, alpha=1, out=None):
    """`input - alpha * other`.

    Example:
        >>> kuai.sub(kuai.tensor([1.0, 2.0]), 0.5)
        tensor([0.5000, 1.5000])
    """
    if type(alpha) is int and alpha == 1:
        return call(subtract_plain, out, input, other)
    return call(subtract_scaled, out, input, other, alpha)


@composite(method=False)
def rsub(input, other, *, alpha=1):
    """`other - alpha * input`.

    Example:
        >>> kuai.rsub(kuai.tensor([1.0, 2.0]), 3)
        tensor([2., 1.])
    """
    return subtract_from(input if alpha == 1 else multiply_plain(input, alpha), other)


@composite(inplace=True, aliases=("multiply",))
def mul(input, other, *, out=None):
    """`input * other`.

    Example:
        >>> kuai.mul(kuai.tensor([1.0, 2.0]), kuai.tensor([[3.0], [4.0]]))
        tensor([[3., 6.],
                [4., 8.]])
    """
    return call(multiply_plain, out, input, other)


@op(inplace=True, aliases=("negative",), exact_out=FOUND)
def neg(input: Array):
    """`-input`.

    Example:
        >>> kuai.neg(kuai.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """
    if kind_of(input) == BOOL:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return -input


@composite
def positive(input):
    """`+input`: the input itself.

    Example:
        >>> kuai.positive(kuai.tensor([1.0, -2.0]))
        tensor([ 1., -2.])
    """
    if category(input.dtype.jax) == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _refuse_complex(input):
    if isinstance(input, Tensor) and input.dtype.is_complex:
        raise RuntimeError("In-place abs is not supported for complex tensors.")


@op(inplace=_refuse_complex, aliases=("absolute",), exact_out=FOUND)
def abs(input: Array):
    """|x| of each element; its derivative at 0 is 0.

    Example:
        >>> kuai.abs(kuai.tensor([1.0, -2.0]))
        tensor([1., 2.])
    """
    refuse("abs_cpu", input, BOOL)
    return magnitude(input)


@op(inplace=True, autocast={"cuda": "float32"})
def reciprocal(input: Array):
    """1 / x of each element.

    Example:
        >>> kuai.reciprocal(kuai.tensor([2, 4]))
        tensor([0.5000, 0.2500])
    """
    return 1 / floating(input)


@op(inplace=True, exact_out=FOUND)
def sign(input: Array):
    """-1, 0 or 1 of each element.

    Example:
        >>> kuai.sign(kuai.tensor([0.5, 0.0, -3.0]))
        tensor([ 1.,  0., -1.])
    """
    if kind_of(input) == COMPLEX:
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. "
            "Please use torch.sgn instead."
        )
    return _sign(input)


@op(inplace=True, exact_out=FOUND)
def sgn(input: Array):
    """`sign` for real tensors; x / |x| for complex ones, and 0 where x is 0.

    Example:
        >>> kuai.sgn(kuai.tensor([3 + 4j, 0j]))
        tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return _sign(input)


def _sign(input):
    if kind_of(input) == BOOL:
        return input
    if kind_of(input) == COMPLEX:
        size = magnitude(input)
        return jnp.where(size == 0, 0, input / jnp.where(size == 0, 1, size))
    return jnp.where(jnp.isnan(input) | (input == 0), 0, jnp.sign(input)).astype(input.dtype)


@op(inplace=True, autocast={"cuda": "widest"})
def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: Number = 1):
    """`input + value * tensor1 * tensor2`.

    Example:
        >>> kuai.addcmul(kuai.tensor([1.0]), kuai.tensor([2.0]), kuai.tensor([3.0]), value=0.5)
        tensor([4.])
    """
    input, tensor1, tensor2 = together(input, tensor1, tensor2)
    refuse("addcmul_cpu_out", input, BOOL)
    kind = wide_dtype(input.dtype)
    made = widened(input) + cast(value, kind) * widened(tensor1) * widened(tensor2)
    return made.astype(input.dtype)


@op(inplace=True, autocast={"cuda": "widest"})
def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: Number = 1):
    """`input + value * tensor1 / tensor2`.

    Example:
        >>> kuai.addcdiv(kuai.tensor([1.0]), kuai.tensor([2.0]), kuai.tensor([4.0]), value=0.5)
        tensor([1.2500])
    """
    if kind_of(tensor1) < FLOATING and kind_of(tensor2) < FLOATING:
        raise RuntimeError(_INTEGER_ADDCDIV)
    input, tensor1, tensor2 = together(input, tensor1, tensor2)
    kind = wide_dtype(input.dtype)
    made = widened(input) + cast(value, kind) * divided(widened(tensor1), widened(tensor2))
    return made.astype(input.dtype)


_INTEGER_ADDCDIV = (
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will "
    "perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be "
    "implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for "
    "integer inputs and as "
    "(input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the "
    "latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
)


@op(inplace=True)
def lerp(input: Array, end: Array, weight: Array | Number):
    """Linear interpolation: `input + weight * (end - input)`.

    Example:
        >>> kuai.lerp(kuai.tensor([0.0, 10.0]), kuai.tensor([10.0, 20.0]), 0.25)
        tensor([ 2.5000, 12.5000])
    """
    for name, value in (("end", end), ("weight", weight)):
        if value.dtype != input.dtype and not value.weak_type:
            raise RuntimeError(
                f"expected dtype {_c_name(input)} for `{name}` but got dtype {_c_name(value)}"
            )
    kernel = "lerp_kernel_scalar" if weight.weak_type else "lerp_kernel_tensor"
    refuse(kernel, input, BOOL, INTEGER)
    if kind_of(weight) == COMPLEX != kind_of(input):
        weight = cast(weight, input.dtype)
    return rounded_once(_interpolated, input, end, weight)


def _interpolated(input, end, weight):
    input, end, weight = together(input, end, weight)
    near_end = (
        jnp.abs(jax.lax.stop_gradient(weight)) >= 0.5
    )  # the formula that is exact at the nearer end, as PyTorch
    step = end - input
    return jnp.where(near_end, end - step * (1 - weight), input + weight * step)


def _c_name(value) -> str:
    return {"float32": "float", "float64": "double", "int64": "long int"}.get(
        value.dtype.name, f"c10::{scalar_name(value.dtype)}"
    )
