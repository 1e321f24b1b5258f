"""Trigonometric and hyperbolic functions, element by element, and their inverses."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, op
from kuai.ops.accumulation import in_wide, widened
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, floating, refuse, together
from kuai.ops.math import slopes


@op(inplace=True)
def sin(input: Array):
    """The sine of each element, in radians.

    Example:
        >>> kuai.sin(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8415])
    """
    return jnp.sin(floating(input))


@op(inplace=True)
def cos(input: Array):
    """The cosine of each element, in radians.

    Example:
        >>> kuai.cos(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 0.5403])
    """
    return jnp.cos(floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def tan(input: Array):
    """The tangent of each element, in radians.

    Example:
        >>> kuai.tan(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5574])
    """
    return jnp.tan(floating(input))


@op(inplace=True, aliases=("arcsin",), autocast={"cuda": "float32"})
def asin(input: Array):
    """The angle in [-π/2, π/2] whose sine each element is.

    Example:
        >>> kuai.asin(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5708])
    """
    return jnp.arcsin(floating(input))


@op(inplace=True, aliases=("arccos",), autocast={"cuda": "float32"})
def acos(input: Array):
    """The angle in [0, π] whose cosine each element is.

    Example:
        >>> kuai.acos(kuai.tensor([0.0, 1.0]))
        tensor([1.5708, 0.0000])
    """
    return jnp.arccos(floating(input))


@op(inplace=True, aliases=("arctan",))
def atan(input: Array):
    """The angle in (-π/2, π/2) whose tangent each element is.

    Example:
        >>> kuai.atan(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7854])
    """
    return jnp.arctan(floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def sinh(input: Array):
    """The hyperbolic sine (eˣ - e⁻ˣ) / 2 of each element.

    Example:
        >>> kuai.sinh(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 1.1752])
    """
    return jnp.sinh(floating(input))


@op(inplace=True, autocast={"cuda": "float32"})
def cosh(input: Array):
    """The hyperbolic cosine (eˣ + e⁻ˣ) / 2 of each element.

    Example:
        >>> kuai.cosh(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 1.5431])
    """
    return jnp.cosh(floating(input))


@op(inplace=True, functional=True)
def tanh(input: Array):
    """The hyperbolic tangent (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ) of each element.

    Example:
        >>> kuai.tanh(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7616])
    """
    return jnp.tanh(floating(input))


@op(inplace=True, aliases=("arcsinh",))
def asinh(input: Array):
    """The inverse hyperbolic sine of each element.

    Example:
        >>> kuai.asinh(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8814])
    """
    return jnp.arcsinh(floating(input))


@op(inplace=True, aliases=("arccosh",))
def acosh(input: Array):
    """The inverse hyperbolic cosine of each element.

    Example:
        >>> kuai.acosh(kuai.tensor([1.0, 2.0]))
        tensor([0.0000, 1.3170])
    """
    return jnp.arccosh(floating(input))


@op(inplace=True, aliases=("arctanh",))
def atanh(input: Array):
    """The inverse hyperbolic tangent of each element.

    Example:
        >>> kuai.atanh(kuai.tensor([0.0, 0.5]))
        tensor([0.0000, 0.5493])
    """
    return jnp.arctanh(floating(input))


@op(inplace=True, aliases=("arctan2",), autocast={"cuda": "widest"})
def atan2(input: Array, other: Array):
    """The angle in (-π, π] of the point (x, y) = (other, input).

    Example:
        >>> kuai.atan2(kuai.tensor([1.0, -1.0]), kuai.tensor([1.0, -1.0]))
        tensor([ 0.7854, -2.3562])
    """
    input, other = together(input, other, to_float=True)
    refuse("atan2_cpu", input, COMPLEX)
    return slopes.angle(input, other)


@op(inplace=True)
def hypot(input: Array, other: Array):
    """√(input² + other²) without overflow on the way.

    Example:
        >>> kuai.hypot(kuai.tensor([3.0]), kuai.tensor([4.0]))
        tensor([5.])
    """
    input, other = together(input, other)
    refuse("hypot_cpu", input, BOOL, INTEGER, COMPLEX)
    return slopes.length(widened(input), widened(other)).astype(input.dtype)


@op(inplace=True, aliases=("special.sinc",))
def sinc(input: Array):
    """sin(πx) / (πx) of each element, and 1 where x is 0.

    Example:
        >>> kuai.sinc(kuai.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    return in_wide(_sinc, floating(input))


def _sinc(x):
    """JAX's, of which the square of what it divides by must not be 0."""
    near = jnp.abs(x) < 1e-15
    return jnp.sinc(jnp.where(near, x - jax.lax.stop_gradient(x), x))
