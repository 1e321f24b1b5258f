"""Limiting and choosing values, element by element: clamp, maximum, copysign, heaviside."""

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, Number, composite, op, write_out
from kuai.engine.op.exact_out import FOUND
from kuai.engine.tensor import Tensor
from kuai.ops.elementwise import COMPLEX, FLOATING, call, kind_of, refuse, together
from kuai.ops.known_values import check_fits, check_operand
from kuai.ops.math import slopes

_OF_HEAVISIDE = "heaviside is not yet implemented for tensors with different dtypes."


@op(function=False, method=False, name="clamp", grad="ClampBackward1", exact_out=FOUND)
def clamp_between(input: Array, min: Array | Number | None, max: Array | Number | None):
    """The input limited to [min, max]; at a limit the gradient goes to the input."""
    present = [limit for limit in (min, max) if limit is not None]
    input, *_ = together(input, *present)
    if kind_of(input) == COMPLEX:
        raise NotImplementedError("clamp is not supported for complex types")
    if kind_of(input) == FLOATING:  # nan is neither inside nor outside: it has no gradient
        input = jnp.where(jnp.isnan(input), jax.lax.stop_gradient(input), input)
    if min is not None:
        input, low = together(input, min)
        input = jnp.where((input < low) | (low != low), low, input)
    if max is not None:
        input, high = together(input, max)
        input = jnp.where((input > high) | (high != high), high, input)
    return input


def _clamped(out, input, min, max):
    """`out` has to have the result's dtype only where the limits are numbers."""
    if out is None or not (isinstance(min, Tensor) or isinstance(max, Tensor)):
        return call(clamp_between, out, input, min, max)
    return write_out(out, clamp_between(input, min, max), name="clamp")


@composite(inplace=True, aliases=("clip",))
def clamp(input, min=None, max=None, *, out=None):
    """Each element limited to the range `[min, max]`.

    Example:
        >>> kuai.clamp(kuai.tensor([-2.0, 0.5, 3.0]), min=-1, max=1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if None not in (min, max) and not _go_together(min, max):
        raise TypeError(
            "clamp() received an invalid combination of arguments: min and max must both be "
            f"tensors or both be numbers, got {type(min).__name__} and {type(max).__name__}"
        )
    if input.dtype.is_floating_point:
        min, max = _real(min), _real(max)
    check_operand(min, input)
    check_operand(max, input)
    if input.dtype.is_floating_point:
        for limit in (min, max):
            if isinstance(limit, (int, float)):
                check_fits(limit, input.dtype.jax)
    return _clamped(out, input, min, max)


def _real(limit):
    """A limit as a real number: PyTorch takes a complex one without an imaginary part."""
    if not isinstance(limit, complex):
        return limit
    check_fits(limit, np.dtype(np.float64))
    return limit.real


def _go_together(*limits):
    """Whether both are tensors or both numbers; one number in a tensor without gradient is one."""
    tensors = [limit for limit in limits if isinstance(limit, Tensor)]
    return len(tensors) != 1 or (tensors[0].ndim == 0 and not tensors[0].requires_grad)


@composite(inplace=True)
def clamp_min(input, min, *, out=None):
    """Each element, or `min` where that is larger.

    Example:
        >>> kuai.clamp_min(kuai.tensor([-2.0, 0.5]), 0)
        tensor([0.0000, 0.5000])
    """
    return _clamped(out, input, min, None)


@composite(inplace=True)
def clamp_max(input, max, *, out=None):
    """Each element, or `max` where that is smaller.

    Example:
        >>> kuai.clamp_max(kuai.tensor([-2.0, 0.5]), 0)
        tensor([-2.,  0.])
    """
    return _clamped(out, input, None, max)


def _ordered(name: str, input, other):
    input, other = together(input, other)
    if kind_of(input) == COMPLEX:
        raise RuntimeError(f"{name} not implemented for complex tensors.")
    return input, other


def _chosen_of(with_slope, plain, input, other):
    """Integers and bools have no derivatives."""
    return (with_slope if kind_of(input) == FLOATING else plain)(input, other)


@op
def maximum(input: Array, other: Array):
    """The larger of two elements, NaN if one is; equal ones share the gradient.

    Example:
        >>> kuai.maximum(kuai.tensor([1.0, 4.0]), kuai.tensor([3.0, 2.0]))
        tensor([3., 4.])
    """
    return _chosen_of(slopes.larger, jnp.maximum, *_ordered("maximum", input, other))


@op
def minimum(input: Array, other: Array):
    """The smaller of two elements, NaN if one is; equal ones share the gradient.

    Example:
        >>> kuai.minimum(kuai.tensor([1.0, 4.0]), kuai.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    return _chosen_of(slopes.smaller, jnp.minimum, *_ordered("minimum", input, other))


@op
def fmax(input: Array, other: Array):
    """The larger of two elements; a number wins over NaN.

    Example:
        >>> kuai.fmax(kuai.tensor([1.0, float("nan")]), kuai.tensor([3.0, 2.0]))
        tensor([3., 2.])
    """
    input, other = _ordered("fmax", input, other)
    return jnp.where((input >= other) | jnp.isnan(other), input, other)


@op
def fmin(input: Array, other: Array):
    """The smaller of two elements; a number wins over NaN.

    Example:
        >>> kuai.fmin(kuai.tensor([1.0, float("nan")]), kuai.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    input, other = _ordered("fmin", input, other)
    return jnp.where((input <= other) | jnp.isnan(other), input, other)


@op(inplace=True)
def copysign(input: Array, other: Array | Number):
    """The magnitude of `input` with the sign of `other`.

    Example:
        >>> kuai.copysign(kuai.tensor([1.0, -2.0]), kuai.tensor([-1.0, 1.0]))
        tensor([-1.,  2.])
    """
    input, other = together(input, other, to_float=True)
    refuse("copysign_cpu", input, COMPLEX)
    flipped = jnp.signbit(input) != jnp.signbit(other)
    return jnp.where(
        input == 0, jnp.copysign(jax.lax.stop_gradient(input), other), _flip(input, flipped)
    )


def _flip(input, flipped):
    return jnp.where(flipped, -input, input)


@op(inplace=True, exact_out=_OF_HEAVISIDE)
def heaviside(input: Array, values: Array):
    """The step function: 0 below zero, `values` at zero, 1 above.

    Example:
        >>> kuai.heaviside(kuai.tensor([-1.0, 0.0, 1.0]), kuai.tensor([0.5]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    if COMPLEX in (kind_of(input), kind_of(values)):
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    input, values = together(input, values)
    step = jnp.where(input > 0, 1, 0).astype(input.dtype)
    return jnp.where(input == 0, values, step)
