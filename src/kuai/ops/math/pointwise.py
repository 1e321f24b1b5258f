"""Element-by-element functions of one tensor: exponentials, logarithms, sigmoids, rounding.

Integers and bools are computed in the default floating dtype, except by the rounding functions,
which leave integers as they are.
"""

import jax
import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, op
from kuai.engine.op.exact_out import FOUND
from kuai.ops.accumulation import in_wide
from kuai.ops.elementwise import (
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    floating,
    kind_of,
    refuse,
    rounded_once,
)
from kuai.ops.math import slopes

_OF_NUMBERS = "nan_to_num: dtype of out: {found} should be same as input: {wanted}"

# Exponentials and logarithms ----------------------------------------------------------------------


@op(inplace=True, autocast={"cuda": "float32"})
def exp(input: Array):
    """eˣ of each element.

    Example:
        >>> kuai.exp(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 2.7183])
    """
    return jnp.exp(floating(input))


@op(inplace=True, aliases=("special.exp2",))
def exp2(input: Array):
    """2ˣ of each element.

    Example:
        >>> kuai.exp2(kuai.tensor([0.0, 3.0]))
        tensor([1., 8.])
    """
    return in_wide(jnp.exp2, floating(input))


@op(inplace=True, autocast={"cuda": "float32"}, aliases=("special.expm1",))
def expm1(input: Array):
    """eˣ - 1 of each element, exact for small x.

    Example:
        >>> kuai.expm1(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 1.7183])
    """
    return in_wide(jnp.expm1, floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def log(input: Array):
    """The natural logarithm of each element.

    Example:
        >>> kuai.log(kuai.tensor([1.0, 10.0]))
        tensor([0.0000, 2.3026])
    """
    return jnp.log(floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def log2(input: Array):
    """The logarithm to base 2 of each element.

    Example:
        >>> kuai.log2(kuai.tensor([1.0, 8.0]))
        tensor([0., 3.])
    """
    return in_wide(jnp.log2, floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def log10(input: Array):
    """The logarithm to base 10 of each element.

    Example:
        >>> kuai.log10(kuai.tensor([1.0, 100.0]))
        tensor([0., 2.])
    """
    return in_wide(jnp.log10, floating(input))


@op(inplace=True, grad="Log1PBackward0", autocast={"cuda": "float32"}, aliases=("special.log1p",))
def log1p(input: Array):
    """log(1 + x) of each element, exact for small x.

    Example:
        >>> kuai.log1p(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6931])
    """
    return in_wide(jnp.log1p, floating(input))


# Sigmoids -----------------------------------------------------------------------------------------


@op(inplace=True, functional=True, aliases=("special.expit",))
def sigmoid(input: Array):
    """1 / (1 + e⁻ˣ) of each element.

    Example:
        >>> kuai.sigmoid(kuai.tensor([0.0, 2.0]))
        tensor([0.5000, 0.8808])
    """
    return in_wide(jax.nn.sigmoid, floating(input))


@op(inplace=True, aliases=("special.logit",))
def logit(input: Array, eps: float | None = None):
    """log(x / (1 - x)) of each element, the inverse of `sigmoid`.

    Args:
        eps: The elements are first clamped to `[eps, 1 - eps]`; None leaves them.

    Example:
        >>> kuai.logit(kuai.tensor([0.5, 0.9]))
        tensor([0.0000, 2.1972])
    """
    refuse("logit_cpu", input, COMPLEX)
    input = floating(input)
    if eps is None:
        return slopes.log_odds(input)
    return slopes.log_odds_within(eps)(input)


# Rounding -----------------------------------------------------------------------------------------


def _round_with(function, name: str, input):
    """Integers are whole already; complex numbers have no order to round by."""
    refuse(f"{name}_vml_cpu", input, BOOL)
    if kind_of(input) == COMPLEX:
        raise NotImplementedError(f"{name} is not supported for complex inputs")
    return input if kind_of(input) == INTEGER else function(input)


@op(inplace=True, exact_out=FOUND)
def ceil(input: Array):
    """The smallest integer that is not below each element.

    Example:
        >>> kuai.ceil(kuai.tensor([0.5, -1.5]))
        tensor([ 1., -1.])
    """
    return _round_with(jnp.ceil, "ceil", input)


@op(inplace=True, exact_out=FOUND)
def floor(input: Array):
    """The largest integer that is not above each element.

    Example:
        >>> kuai.floor(kuai.tensor([0.5, -1.5]))
        tensor([ 0., -2.])
    """
    return _round_with(jnp.floor, "floor", input)


@op(inplace=True, aliases=("fix",), exact_out=FOUND)
def trunc(input: Array):
    """Each element without its fraction.

    Example:
        >>> kuai.trunc(kuai.tensor([1.5, -1.5]))
        tensor([ 1., -1.])
    """
    return _round_with(jnp.trunc, "trunc", input)


@op(inplace=True, exact_out=FOUND)
def frac(input: Array):
    """The fraction of each element: `x - trunc(x)`.

    Example:
        >>> kuai.frac(kuai.tensor([1.5, -1.25]))
        tensor([ 0.5000, -0.2500])
    """
    refuse("frac_cpu", input, BOOL, INTEGER, COMPLEX)
    return input - jnp.trunc(input)


@op(inplace=True, aliases=("special.round",), exact_out=FOUND)
def round(input: Array, *, decimals: int = 0):
    """Each element rounded to the nearest value with so many decimals; halves go to the even one.

    Example:
        >>> kuai.round(kuai.tensor([0.5, 1.5, 2.6]))
        tensor([0., 2., 3.])
        >>> kuai.round(kuai.tensor([3.14159]), decimals=2)
        tensor([3.1400])
    """
    if decimals == 0:
        return _round_with(jnp.round, "round", input)
    refuse("round_cpu", input, BOOL, INTEGER, COMPLEX)
    scale = float(f"1e{abs(decimals)}")  # infinite where it is too large
    if decimals > 0:
        return in_wide(lambda wide: jnp.round(wide * scale) / scale, input)
    return in_wide(lambda wide: jnp.round(wide / scale) * scale, input)


# Angles and defects -------------------------------------------------------------------------------


@op(inplace=True, grad="Deg2RadBackward0")
def deg2rad(input: Array):
    """Degrees to radians.

    Example:
        >>> kuai.deg2rad(kuai.tensor([180.0, 90.0]))
        tensor([3.1416, 1.5708])
    """
    if kind_of(input) == COMPLEX:
        raise RuntimeError("deg2rad is not supported for complex tensors.")
    return rounded_once(jnp.multiply, floating(input), jnp.pi / 180)


@op(inplace=True, grad="Rad2DegBackward0")
def rad2deg(input: Array):
    """Radians to degrees.

    Example:
        >>> kuai.rad2deg(kuai.tensor([1.0]))
        tensor([57.2958])
    """
    if kind_of(input) == COMPLEX:
        raise RuntimeError("rad2deg is not supported for complex tensors.")
    return rounded_once(jnp.multiply, floating(input), 180 / jnp.pi)


@op(inplace=True, exact_out=_OF_NUMBERS)
def nan_to_num(
    input: Array,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
):
    """NaN and the infinities replaced by numbers.

    Args:
        nan: For NaN; None means 0.
        posinf: For +inf; None means the dtype's largest number.
        neginf: For -inf; None means the dtype's smallest number.

    Example:
        >>> kuai.nan_to_num(kuai.tensor([float("nan"), float("inf"), 1.0]), posinf=9.0)
        tensor([0., 9., 1.])
    """
    if kind_of(input) < FLOATING:
        return input
    if kind_of(input) == COMPLEX:
        parts = (nan_to_num.pure(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return lax.complex(*parts)
    limits = jnp.finfo(input.dtype)
    largest = limits.max if posinf is None else posinf
    smallest = limits.min if neginf is None else neginf
    result = jnp.where(jnp.isnan(input), jnp.asarray(nan or 0, input.dtype), input)
    result = jnp.where(jnp.isposinf(input), jnp.asarray(largest, input.dtype), result)
    return jnp.where(jnp.isneginf(input), jnp.asarray(smallest, input.dtype), result)
