"""What grows out of Γ: incomplete and multivariate gamma functions, polygamma and zeta functions.

Reference: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, chapters 6 and 23.
"""

import functools
import math
import operator

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from kuai.engine.op import Array, Number, composite, op
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, floating, kind_of, refuse, together
from kuai.ops.math.bessel import whole_precision

# Zeta and polygamma -------------------------------------------------------------------------------


def _hurwitz(x, q):
    """Σₖ (q + k)⁻ˣ, in float64, for terms of both signs may cancel each other out below 0."""
    kind, x, q = q.dtype, x.astype(jnp.float64), q.astype(jnp.float64)
    whole = q == jnp.floor(q)
    below, shifted = _below_zero(x, jnp.where(whole | ~jnp.isfinite(q), 1, q))
    value = below + special.zeta(x, jnp.where(whole | ~jnp.isfinite(q), q, shifted))
    value = jnp.where((q < 0) & (x != jnp.floor(x)), jnp.nan, value)
    value = jnp.where((x == jnp.inf) & (q <= 1), jnp.where(q == 1, 1, jnp.inf), value)
    value = jnp.where(jnp.isnan(q) | jnp.isnan(x), jnp.nan, value)
    value = jnp.where((q <= 0) & whole, jnp.inf, value)
    return jnp.where(x == 1, jnp.inf, jnp.where(x < 1, jnp.nan, value)).astype(kind)


def _below_zero(x, q):
    """The terms with q + k < 0, which JAX's zeta does not know, and the first q + k above 0."""
    steps = jnp.where(q < 0, jnp.ceil(-q), 0)

    def step(state):
        k, total = state
        return k + 1, total + jnp.where(k < steps, lax.pow(q + k, -x), 0)

    most = jnp.max(steps, initial=0)
    start = (jnp.zeros((), q.dtype), jnp.zeros_like(q))
    return lax.while_loop(lambda state: state[0] < most, step, start)[1], q + steps


@jax.custom_jvp
def hurwitz_zeta(x, q):
    """The Hurwitz zeta function; its derivative by q is -x ζ(x + 1, q)."""
    return _hurwitz(x, q)


@hurwitz_zeta.defjvp
def _hurwitz_derivative(primals, tangents):
    (x, q), (_, tangent) = primals, tangents
    return hurwitz_zeta(x, q), -tangent * x * hurwitz_zeta(x + 1, q)


@op(export="special.zeta", grad="SpecialZetaBackward0")
def zeta(input: Array | Number, other: Array | Number):
    """The Hurwitz zeta function ζ(x, q) = Σₖ (q + k)⁻ˣ, k = 0, 1, …; ζ(x, 1) is Riemann's.

    Its derivative by x is not implemented.

    Example:
        >>> kuai.special.zeta(kuai.tensor([2.0, 4.0]), 1)
        tensor([1.6449, 1.0823])
    """
    x, q = (whole_precision("zeta", each) for each in together(input, other, to_float=True))
    return hurwitz_zeta(*jnp.broadcast_arrays(_without_derivative(x), q))


@jax.custom_jvp
def _without_derivative(x):
    return x


def _refuse_derivative(primals, tangents):
    if isinstance(tangents[0], jax.custom_derivatives.SymbolicZero):
        return primals[0], tangents[0]
    raise NotImplementedError("the derivative for 'zeta' is not implemented.")


_without_derivative.defjvp(_refuse_derivative, symbolic_zeros=True)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def polygamma_at(n: int, x):
    """ψ⁽ⁿ⁾(x), whose derivative is that of the next order."""
    if n == 0:
        return jnp.where(x == 0, jnp.copysign(jnp.inf, -x), lax.digamma(x))
    if n == 1:
        return _trigamma(x)
    order = jnp.asarray(n + 1, x.dtype)
    return (-1) ** (n + 1) * math.factorial(n) * _hurwitz(order, x)


@polygamma_at.defjvp
def _polygamma_derivative(n, primals, tangents):
    return polygamma_at(n, primals[0]), tangents[0] * polygamma_at(n + 1, primals[0])


def _trigamma(x):
    """ζ(2, x), reflected below ½: ψ′(x) + ψ′(1 - x) = π² / sin² πx."""
    reflected = x < 0.5
    value = special.zeta(jnp.asarray(2, x.dtype), jnp.where(reflected, 1 - x, x))
    sine = jnp.sin(jnp.pi * jnp.where(reflected, x, 0.5))
    value = jnp.where(reflected, (jnp.pi / sine) ** 2 - value, value)
    return jnp.where(jnp.isinf(x) & (x > 0), 0, value)


@jax.custom_jvp
def log_gamma(x):
    """log |Γ(x)|, whose derivative is ψ(x)."""
    return jnp.where((x == 1) | (x == 2), 0, lax.lgamma(x)).astype(x.dtype)


@log_gamma.defjvp
def _log_gamma_derivative(primals, tangents):
    return log_gamma(primals[0]), tangents[0] * polygamma_at(0, primals[0])


def in_single(function, input):
    """A function of what is at least float32, for half precision, too."""
    wide = jnp.promote_types(input.dtype, jnp.float32)
    return function(input.astype(wide)).astype(input.dtype)


@op(function=False, method=False, name="polygamma", grad="PolygammaBackward0")
def polygamma_of(n: int, input: Array):
    """The n-th derivative of `digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    refuse("polygamma", input, COMPLEX)
    return in_single(functools.partial(polygamma_at, n), floating(input))


@composite(method=False, aliases=("special.polygamma",))
def polygamma(n, input):
    """The n-th derivative of `digamma` at each element.

    Example:
        >>> kuai.polygamma(1, kuai.tensor([1.0, 2.0]))
        tensor([1.6449, 0.6449])
    """
    return polygamma_of(n, input)


@composite(export="Tensor.polygamma", inplace=True)
def polygamma_method(self, n):
    """`kuai.polygamma` of this tensor.

    Example:
        >>> kuai.tensor([1.0, 2.0]).polygamma(1)
        tensor([1.6449, 0.6449])
    """
    return polygamma_of(n, self)


# Incomplete and multivariate ----------------------------------------------------------------------


def _incomplete(function, name, input, other):
    a, x = together(input, other)
    refuse(f"{name}_cpu", a, BOOL, INTEGER, COMPLEX)
    wide = jnp.promote_types(a.dtype, jnp.float32)
    value = function(*(each.astype(wide) for each in (a, x)))
    at_infinity = {special.gammainc: 1, special.gammaincc: 0}[function]  # of x
    value = jnp.where(jnp.isinf(x), at_infinity, value)
    value = jnp.where(jnp.isinf(a), jnp.where(jnp.isinf(x), jnp.nan, 1 - at_infinity), value)
    value = jnp.where(x == 0, 1 - at_infinity, value)
    value = jnp.where(a == 0, jnp.where(x > 0, at_infinity, jnp.nan), value)
    return jnp.where((x < 0) | (a < 0), jnp.nan, value).astype(a.dtype)


@op(inplace=True, aliases=("special.gammainc",), grad="IgammaBackward0")
def igamma(input: Array, other: Array):
    """The regularised lower incomplete gamma function 1/Γ(a) ∫₀ˣ tᵃ⁻¹ exp(-t) dt.

    Example:
        >>> kuai.igamma(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 2.0]))
        tensor([0.6321, 0.5940])

    Differs from PyTorch: it has a derivative by `input`, too.
    """
    return _incomplete(special.gammainc, "igamma", input, other)


@op(inplace=True, aliases=("special.gammaincc",), grad="IgammacBackward0")
def igammac(input: Array, other: Array):
    """The regularised upper incomplete gamma function, 1 - `igamma`.

    Example:
        >>> kuai.igammac(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 2.0]))
        tensor([0.3679, 0.4060])

    Differs from PyTorch: it has a derivative by `input`, too.
    """
    return _incomplete(special.gammaincc, "igammac", input, other)


@op(inplace=True, aliases=("special.multigammaln",), grad="MvlgammaBackward0")
def mvlgamma(input: Array, p: int):
    """The logarithm of the multivariate gamma function: p(p-1)/4 log π + Σⱼ lgamma(a - j/2), j < p.

    Example:
        >>> kuai.mvlgamma(kuai.tensor([2.0, 3.0]), 2)
        tensor([0.4516, 1.5502])
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    refuse("arange_cpu", input, COMPLEX)
    if kind_of(input) == BOOL:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    a = floating(input)
    total = functools.reduce(operator.add, (log_gamma(a - j / 2) for j in range(p)))
    return (total + p * (p - 1) / 4 * math.log(math.pi)).astype(a.dtype)
