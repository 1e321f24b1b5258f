"""Functions of single elements with derivatives of their own: PyTorch's at the edges, not JAX's.

JAX differentiates the way a function is computed, which gives nan where that has a seam: `x ** y`
and `atan2` at 0, `entr` at 0, `logit` at 0 and 1. Here the derivative is a formula beside the
function; it is a jvp rule, so higher derivatives and forward mode come from it as well.
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy import special

from kuai.ops.accumulation import spread

__all__ = ["with_slopes"]


def with_slopes(function, *slopes):
    """The function of arrays of one shape with a derivative for each: `slope(output, *inputs)`.

    Example:
        >>> half = with_slopes(jnp.abs, lambda output, x: 0.5 * jnp.ones_like(x))
        >>> float(jax.grad(half)(3.0))
        0.5
    """

    def times(slope):
        return lambda change, output, *inputs: (slope(output, *inputs) * change).astype(
            output.dtype
        )

    made = jax.custom_jvp(function)
    made.defjvps(*map(times, slopes))

    def call(*arrays):
        shape = jnp.broadcast_shapes(*map(jnp.shape, arrays))
        return made(*(spread(array, shape) for array in arrays))

    return call


# Powers -------------------------------------------------------------------------------------------


def _by_base(output, x, y):
    return jnp.where(y == 0, 0, y * power(x, jnp.where(y == 0, 1, y) - 1))


def _by_exponent(output, x, y):
    at_zero = (x == 0) & (y.real >= 0)
    return jnp.where(at_zero, 0, output * jnp.log(jnp.where(at_zero, 1, x)))


def _power(x, y):
    """xʸ; of complex numbers the limit at a base of 0, where the logarithm has none."""
    if jnp.result_type(x, y).kind in "iu":
        return whole_power(*jnp.broadcast_arrays(x, y))
    result = jnp.power(x, y)
    if not jnp.iscomplexobj(result):
        return result
    limit = jnp.where(y.real > 0, 0, complex(math.inf, math.nan)).astype(result.dtype)
    return jnp.where((x == 0) & (y.real != 0), limit, result)


def whole_power(x, y):
    """xʸ of whole numbers with y ≥ 0, which wraps around; JAX's reads six bits of y only."""

    def squared(state):
        result, square, left = state
        return jnp.where(left & 1, result * square, result), square * square, left >> 1

    first = jnp.ones_like(x), x, jnp.maximum(y, 0)
    return jax.lax.while_loop(lambda state: jnp.any(state[2] > 0), squared, first)[0]


#: xʸ; a power of 0 does not change with a base of 0, nor 0ʸ with y.
power = with_slopes(_power, _by_base, _by_exponent)

# Of two numbers -----------------------------------------------------------------------------------


def _per_square(x, y):
    square = x * x + y * y
    return jnp.where(square == 0, 0, 1 / jnp.where(square == 0, 1, square))


#: The angle of (x, y) = (second, first), whose derivatives at the origin are 0.
angle = with_slopes(
    jax.lax.atan2,
    lambda output, y, x: x * _per_square(x, y),
    lambda output, y, x: -y * _per_square(x, y),
)


def _share(output, x):
    return jnp.where(output == 0, 0, x / jnp.where(output == 0, 1, output))


#: √(x² + y²), whose derivatives at the origin are 0, as those of a norm.
length = with_slopes(
    jnp.hypot, lambda output, x, y: _share(output, x), lambda output, x, y: _share(output, y)
)


def _x_log_y(x, y):
    return x * jnp.log(jnp.where((x == 0) & ~jnp.isnan(y), 1, y))


def _log_or_nothing(output, x, y):
    nothing = (x == 0) & (y <= 0)
    return jnp.where(nothing, 0, jnp.log(jnp.where(nothing, 1, y)))


def _ratio(output, x, y):
    nothing = (x == 0) & ~jnp.isnan(y)
    return jnp.where(nothing, 0, x / jnp.where(nothing, 1, y))


#: x·log y, and 0 where x is 0.
x_log_y = with_slopes(_x_log_y, _log_or_nothing, _ratio)

#: log(eˣ + eʸ) and log₂(2ˣ + 2ʸ).
log_add_exp = with_slopes(
    jnp.logaddexp,
    lambda output, x, y: 1 / (1 + jnp.exp(y - x)),
    lambda output, x, y: 1 / (1 + jnp.exp(x - y)),
)
log_add_exp2 = with_slopes(
    jnp.logaddexp2,
    lambda output, x, y: 1 / (1 + jnp.exp2(y - x)),
    lambda output, x, y: 1 / (1 + jnp.exp2(x - y)),
)


def _chosen(before):
    """1 for the chosen one (for NaN: both), ½ for each of two equal ones."""
    return lambda output, x, y: jnp.where(before(x, y), 0, jnp.where(x == y, 0.5, 1))


larger = with_slopes(jnp.maximum, _chosen(jnp.less), _chosen(lambda x, y: y < x))
smaller = with_slopes(jnp.minimum, _chosen(jnp.greater), _chosen(lambda x, y: y > x))

# Special functions --------------------------------------------------------------------------------

#: -x log x
entropy = with_slopes(
    lambda x: jnp.where(x == 0, 0, special.entr(x)), lambda output, x: -jnp.log(x) - 1
)


def _logit_slope(output, x):
    inside = jnp.where((x == 0) | (x == 1), jnp.inf, 1 / (x * (1 - x)))
    return jnp.where((x < 0) | (x > 1), jnp.nan, inside)


log_odds = with_slopes(lambda x: jnp.log(x / (1 - x)), _logit_slope)


def log_odds_within(eps):
    """`log_odds` of numbers clamped to [eps, 1 - eps], beyond which the derivative is 0."""

    def slope(output, x):
        return jnp.where((x < eps) | (x > 1 - eps), 0, _logit_slope(output, x))

    return with_slopes(lambda x: log_odds(jnp.clip(x, eps, 1 - eps)), slope)


#: The inverse of the normal distribution function: 1 / φ at the output.
normal_quantile = with_slopes(
    special.ndtri, lambda output, x: math.sqrt(2 * math.pi) * jnp.exp(output * output / 2)
)


# Neighbours ---------------------------------------------------------------------------------------

#: The neighbour moves with the number, unless it is already at its goal.
neighbour = with_slopes(
    jnp.nextafter,
    lambda output, x, y: jnp.where(x == y, 0, 1),
    lambda output, x, y: jnp.zeros_like(y),
)


def log_add_exp_complex(x, y):
    """The one with the larger real part, and log(1 + e^d) of the other's difference d to it."""
    less = x.real < y.real
    smaller, larger = jnp.where(less, x, y), jnp.where(less, y, x)
    same = smaller.real == larger.real
    difference = jnp.where(same & ~jnp.isfinite(larger.real), 0, smaller - larger)
    made = larger + jnp.log1p(jnp.exp(difference))
    nowhere = same & (larger.real == -jnp.inf)
    return jnp.where(nowhere, smaller, made)
