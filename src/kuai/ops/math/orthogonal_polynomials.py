"""Orthogonal polynomials of order n at each element: `kuai.special.*_polynomial_*`.

Each family has a recurrence that gives the next polynomial from the last two, started at order
0 with 1. Chebyshev's have closed forms inside [-1, 1], with x = cos θ, which are
used for high orders:

    Tₙ = cos nθ,  Uₙ = sin (n+1)θ / sin θ,  Vₙ = cos (n+½)θ / cos ½θ,  Wₙ = sin (n+½)θ / sin ½θ

The order is cut to a whole number, a negative one gives 0. As in PyTorch they have no derivative:
what they return requires no gradient.

Reference: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, chapter 22.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor import Tensor
from kuai.ops.elementwise import together
from kuai.ops.math.bessel import whole_precision


class _Family(NamedTuple):
    """A family of polynomials: the one of order 1, the recurrence, and what has closed forms."""

    first: Callable  # x -> the polynomial of order 1
    following: Callable  # (x, k, last, before) -> the one of order k
    edges: Callable | None = None  # (x, n) -> values at x = ±1
    closed: Callable | None = None  # (θ, n) -> values inside [-1, 1]
    closed_above: int = 0  # the order above which the closed form is used
    limit: bool = False  # whether orders that overflow in any case are nan at once


def _chebyshev(x, k, last, before):
    return 2 * x * last - before


def _sign(n):
    return jnp.where(n % 2 == 0, 1, -1)


_FAMILIES = {
    "chebyshev_polynomial_t": _Family(
        lambda x: x,
        _chebyshev,
        lambda x, n: jnp.where(x > 0, 1, _sign(n)),
        lambda angle, n: jnp.cos(n * angle),
        6,
    ),
    "chebyshev_polynomial_u": _Family(
        lambda x: 2 * x,
        _chebyshev,
        lambda x, n: jnp.where(x > 0, 1, _sign(n)) * (n + 1),
        lambda angle, n: jnp.sin((n + 1) * angle) / jnp.sin(angle),
        8,
    ),
    "chebyshev_polynomial_v": _Family(
        lambda x: 2 * x - 1,
        _chebyshev,
        lambda x, n: jnp.where(x > 0, 1, _sign(n) * (2 * n + 1)),
        lambda angle, n: jnp.cos((n + 0.5) * angle) / jnp.cos(angle / 2),
        8,
    ),
    "chebyshev_polynomial_w": _Family(
        lambda x: 2 * x + 1,
        _chebyshev,
        lambda x, n: jnp.where(x > 0, 2 * n + 1, _sign(n)),
        lambda angle, n: jnp.sin((n + 0.5) * angle) / jnp.sin(angle / 2),
        8,
    ),
    "hermite_polynomial_h": _Family(
        lambda x: 2 * x, lambda x, k, last, before: 2 * (x * last - (k - 1) * before), limit=True
    ),
    "hermite_polynomial_he": _Family(
        lambda x: x, lambda x, k, last, before: x * last - (k - 1) * before, limit=True
    ),
    "laguerre_polynomial_l": _Family(
        lambda x: 1 - x,
        lambda x, k, last, before: ((2 * k - 1 - x) * last - (k - 1) * before) / k,
    ),
    "legendre_polynomial_p": _Family(
        lambda x: x,
        lambda x, k, last, before: ((2 * k - 1) * x * last - (k - 1) * before) / k,
        lambda x, n: jnp.where(x > 0, 1, _sign(n)),
    ),
}


def _value(family: _Family, x, n):
    value = _recurrence(family, x, _order_of_recurrence(family, x, n))
    if family.closed is not None:
        inside = (jnp.abs(x) < 1) & (n > family.closed_above)
        angle = jnp.arccos(jnp.where(inside, x, 0))
        value = jnp.where(inside, family.closed(angle, n), value)
    if family.edges is not None:
        value = jnp.where(jnp.abs(x) == 1, family.edges(x, n), value)
    if family.limit:
        most = 128 if x.dtype == jnp.float32 else 512
        value = jnp.where(n > most, jnp.nan, value)
    return jnp.where(n < 0, 0, value).astype(x.dtype)


def _order_of_recurrence(family: _Family, x, n):
    """The orders that the recurrence has to reach; 0 where another formula gives the value."""
    if family.edges is not None:
        n = jnp.where(jnp.abs(x) == 1, 0, n)
    if family.closed is not None:
        n = jnp.where((jnp.abs(x) < 1) & (n > family.closed_above), 0, n)
    return jnp.minimum(n, 512) if family.limit else n


def _recurrence(family: _Family, x, n):
    def goes_on(state):
        k, last, _, _ = state
        return jnp.any((k <= n) & ~jnp.isnan(last))

    def step(state):
        k, last, before, value = state
        following = family.following(x, k.astype(x.dtype), last, before)
        return k + 1, following, last, jnp.where(k <= n, following, value)

    first, zeroth = family.first(x), jnp.ones_like(x)
    started = jnp.where(n == 0, zeroth, first)
    start = (jnp.asarray(2, n.dtype), first, zeroth, started)
    return lax.while_loop(goes_on, step, start)[3]


@op(function=False, method=False, name="orthogonal_polynomial")
def polynomial(input: Array | Number, n: Array | Number, name: str):
    """The polynomials of one family at each element, orders and elements broadcast together."""
    x, order = together(input, n, to_float=True)
    x, order = (whole_precision(name, each) for each in (x, order))
    x, order = jnp.broadcast_arrays(x, order)
    whole = jnp.where(jnp.isfinite(order), order, -1).astype(jnp.int64)
    shifted = name.startswith("shifted_")
    return _value(_FAMILIES[name.removeprefix("shifted_")], 2 * x - 1 if shifted else x, whole)


def _polynomial(name, input, n):
    input, n = (each.detach() if isinstance(each, Tensor) else each for each in (input, n))
    return polynomial(input, n, name)


@composite(export="special.chebyshev_polynomial_t")
def chebyshev_polynomial_t(input, n):
    """Chebyshev's polynomial of the first kind: Tₙ = 2x Tₙ₋₁ - Tₙ₋₂, T₁ = x.

    Example:
        >>> kuai.special.chebyshev_polynomial_t(kuai.tensor([0.5, 2.0]), 2)
        tensor([-0.5000,  7.0000])
    """
    return _polynomial("chebyshev_polynomial_t", input, n)


@composite(export="special.chebyshev_polynomial_u")
def chebyshev_polynomial_u(input, n):
    """Chebyshev's polynomial of the second kind: Uₙ = 2x Uₙ₋₁ - Uₙ₋₂, U₁ = 2x.

    Example:
        >>> kuai.special.chebyshev_polynomial_u(kuai.tensor([0.5, 2.0]), 2)
        tensor([ 0., 15.])
    """
    return _polynomial("chebyshev_polynomial_u", input, n)


@composite(export="special.chebyshev_polynomial_v")
def chebyshev_polynomial_v(input, n):
    """Chebyshev's polynomial of the third kind: Vₙ = 2x Vₙ₋₁ - Vₙ₋₂, V₁ = 2x - 1.

    Example:
        >>> kuai.special.chebyshev_polynomial_v(kuai.tensor([0.5, 2.0]), 2)
        tensor([-1., 11.])
    """
    return _polynomial("chebyshev_polynomial_v", input, n)


@composite(export="special.chebyshev_polynomial_w")
def chebyshev_polynomial_w(input, n):
    """Chebyshev's polynomial of the fourth kind: Wₙ = 2x Wₙ₋₁ - Wₙ₋₂, W₁ = 2x + 1.

    Example:
        >>> kuai.special.chebyshev_polynomial_w(kuai.tensor([0.5, 2.0]), 2)
        tensor([ 1., 19.])
    """
    return _polynomial("chebyshev_polynomial_w", input, n)


@composite(export="special.hermite_polynomial_h")
def hermite_polynomial_h(input, n):
    """The physicist's Hermite polynomial: Hₙ = 2x Hₙ₋₁ - 2(n - 1) Hₙ₋₂, H₁ = 2x.

    Example:
        >>> kuai.special.hermite_polynomial_h(kuai.tensor([0.5, 2.0]), 2)
        tensor([-1., 14.])
    """
    return _polynomial("hermite_polynomial_h", input, n)


@composite(export="special.hermite_polynomial_he")
def hermite_polynomial_he(input, n):
    """The probabilist's Hermite polynomial: Heₙ = x Heₙ₋₁ - (n - 1) Heₙ₋₂, He₁ = x.

    Example:
        >>> kuai.special.hermite_polynomial_he(kuai.tensor([0.5, 2.0]), 2)
        tensor([-0.7500,  3.0000])
    """
    return _polynomial("hermite_polynomial_he", input, n)


@composite(export="special.laguerre_polynomial_l")
def laguerre_polynomial_l(input, n):
    """Laguerre's polynomial: n Lₙ = (2n - 1 - x) Lₙ₋₁ - (n - 1) Lₙ₋₂, L₁ = 1 - x.

    Example:
        >>> kuai.special.laguerre_polynomial_l(kuai.tensor([0.5, 2.0]), 2)
        tensor([ 0.1250, -1.0000])
    """
    return _polynomial("laguerre_polynomial_l", input, n)


@composite(export="special.legendre_polynomial_p")
def legendre_polynomial_p(input, n):
    """Legendre's polynomial: n Pₙ = (2n - 1) x Pₙ₋₁ - (n - 1) Pₙ₋₂, P₁ = x.

    Example:
        >>> kuai.special.legendre_polynomial_p(kuai.tensor([0.5, 2.0]), 2)
        tensor([-0.1250,  5.5000])
    """
    return _polynomial("legendre_polynomial_p", input, n)


@composite(export="special.shifted_chebyshev_polynomial_t")
def shifted_chebyshev_polynomial_t(input, n):
    """`chebyshev_polynomial_t` at 2x - 1.

    Example:
        >>> kuai.special.shifted_chebyshev_polynomial_t(kuai.tensor([0.5, 2.0]), 2)
        tensor([-1., 17.])
    """
    return _polynomial("shifted_chebyshev_polynomial_t", input, n)


@composite(export="special.shifted_chebyshev_polynomial_u")
def shifted_chebyshev_polynomial_u(input, n):
    """`chebyshev_polynomial_u` at 2x - 1.

    Example:
        >>> kuai.special.shifted_chebyshev_polynomial_u(kuai.tensor([0.5, 2.0]), 2)
        tensor([-1., 35.])
    """
    return _polynomial("shifted_chebyshev_polynomial_u", input, n)


@composite(export="special.shifted_chebyshev_polynomial_v")
def shifted_chebyshev_polynomial_v(input, n):
    """`chebyshev_polynomial_v` at 2x - 1.

    Example:
        >>> kuai.special.shifted_chebyshev_polynomial_v(kuai.tensor([0.5, 2.0]), 2)
        tensor([-1., 29.])
    """
    return _polynomial("shifted_chebyshev_polynomial_v", input, n)


@composite(export="special.shifted_chebyshev_polynomial_w")
def shifted_chebyshev_polynomial_w(input, n):
    """`chebyshev_polynomial_w` at 2x - 1.

    Example:
        >>> kuai.special.shifted_chebyshev_polynomial_w(kuai.tensor([0.5, 2.0]), 2)
        tensor([-1., 41.])
    """
    return _polynomial("shifted_chebyshev_polynomial_w", input, n)
