"""Bessel functions of orders 0 and 1, and the Airy function.

J and Y solve x² y″ + x y′ + (x² - ν²) y = 0, I and K the same with -(x² + ν²); Ai solves y″ = x y.
Near 0 they are quotients of polynomials, far away a wave √(2/πx) or an exponential times one.
PyTorch gives only i0, i1 and their scaled forms a derivative; what the others return requires no
gradient.

Reference: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, chapters 9 and 10;
the approximations are those of the Cephes library (see `bessel_tables`).
"""

import jax
import jax.numpy as jnp
from jax.scipy import special

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide
from kuai.ops.elementwise import COMPLEX, floating, refuse
from kuai.ops.math.bessel_tables import AIRY, J0, J1, K0, K1, Y0, Y1

_SINGLE_AND_DOUBLE = ("float32", "float64")


def whole_precision(name: str, input):
    """The input as float32 or float64; PyTorch's CPU has no such function for others.

    Example:
        >>> whole_precision("erfcx", jax.numpy.ones(2, "int32")).dtype.name
        'float32'
    """
    input = floating(input)
    if input.dtype.name not in _SINGLE_AND_DOUBLE:
        raise NotImplementedError(
            f"\"{name}_cpu\" not implemented for '{scalar_name(input.dtype)}'"
        )
    return input


def _polynomial(table, x):
    return jnp.polyval(jnp.asarray(table, x.dtype), x)


def _chebyshev_sum(table, x):
    """Σ cₖ Tₖ(x/2), the first coefficient being that of the highest order (Clenshaw's rule)."""
    before = last = jnp.zeros_like(x)
    value = last
    for coefficient in table:
        before, last = last, value
        value = x * last - before + coefficient
    return (value - before) / 2


# J and Y ------------------------------------------------------------------------------------------


def _waves(tables, x, phase):
    """The two amplitudes and the angle of √(2/πx) (p cos θ - q sin θ) for x > 5."""
    x = jnp.where(x > 5, x, 10)
    z = 25 / (x * x)
    p = _polynomial(tables["PP"], z) / _polynomial(tables["PQ"], z)
    q = 5 / x * _polynomial(tables["QP"], z) / _polynomial(tables["QQ"], z)
    return p, q, x - phase * jnp.pi, jnp.sqrt(2 / (jnp.pi * x))


def _far_j(tables, x, phase):
    p, q, angle, size = _waves(tables, x, phase)
    return (p * jnp.cos(angle) - q * jnp.sin(angle)) * size


def _far_y(tables, x, phase):
    p, q, angle, size = _waves(tables, x, phase)
    return (p * jnp.sin(angle) + q * jnp.cos(angle)) * size


_ROOTS = {0: (5.78318596294678452118, 30.4712623436620863991)}
_ROOTS[1] = (14.6819706421238932572, 49.2184563216946036703)


def _j(order, x):
    tables, size = (J0, J1)[order], jnp.abs(x)
    square = jnp.where(size > 5, 1, size) ** 2
    near = _polynomial(tables["RP"], square) / _polynomial(tables["RQ"], square)
    for root in _ROOTS[order]:  # squares of the first places where the function is 0
        near = near * (square - root)
    far = _far_j(tables, size, (0.25, 0.75)[order])
    value = jnp.where(size > 5, far, near if order == 0 else near * size)
    value = jnp.where(jnp.isnan(x), x, value)
    return value if order == 0 else jnp.where(x < 0, -value, value)


def _y(order, x):
    tables = (Y0, Y1)[order]
    inner = jnp.where((x > 0) & (x <= 5), x, 1)
    near = _polynomial(tables["YP"], inner**2) / _polynomial(tables["YQ"], inner**2)
    products = _j(order, inner) * jnp.log(inner)
    if order == 0:
        near = near + 2 / jnp.pi * products
    else:
        near = inner * near + 2 / jnp.pi * (products - 1 / inner)
    far = _far_y((J0, J1)[order], x, (0.25, 0.75)[order])
    value = jnp.where(x > 5, far, near)
    return jnp.where(x > 0, value, jnp.where(x == 0, -jnp.inf, jnp.nan))


# I and K ------------------------------------------------------------------------------------------


def _k(order, x, scaled):
    tables = (K0, K1)[order]
    inner, outer = jnp.where((x > 0) & (x <= 2), x, 1), jnp.where(x > 2, x, 4)
    near = _chebyshev_sum(tables["A"], inner * inner - 2)
    if order == 0:
        near = near - jnp.log(inner / 2) * special.i0(inner)
    else:
        near = near / inner + jnp.log(inner / 2) * special.i1(inner)
    far = _chebyshev_sum(tables["B"], 8 / outer - 2) / jnp.sqrt(outer)
    near, far = (near * jnp.exp(inner), far) if scaled else (near, far * jnp.exp(-outer))
    value = jnp.where(x > 2, far, near)
    return jnp.where(x > 0, value, jnp.where(x == 0, jnp.inf, jnp.nan))


@jax.custom_jvp
def bessel_i0(x):
    """I₀ of each element; its derivative is I₁."""
    return special.i0(x)


@jax.custom_jvp
def bessel_i1(x):
    """I₁ of each element; its derivative is I₀ - I₁/x."""
    return special.i1(x)


@jax.custom_jvp
def bessel_i0e(x):
    """exp(-|x|) I₀ of each element."""
    return special.i0e(x)


@jax.custom_jvp
def bessel_i1e(x):
    """exp(-|x|) I₁ of each element."""
    return special.i1e(x)


def _over(x, value):
    """value / x, and its limit 1/2 at 0, where value is I₁."""
    tiny = jnp.abs(x) <= jnp.finfo(x.dtype).eps
    return jnp.where(tiny, 0.5, value / jnp.where(tiny, 1, x)).astype(x.dtype)


_RULES = {
    bessel_i0: lambda x, value: bessel_i1(x),
    bessel_i1: lambda x, value: bessel_i0(x) - _over(x, value),
    bessel_i0e: lambda x, value: bessel_i1e(x) - jnp.sign(x) * value,
    bessel_i1e: lambda x, value: bessel_i0e(x) - _over(x, value) - jnp.sign(x) * value,
}


def _differentiable(function, slope):
    @function.defjvp
    def rule(primals, tangents):
        (x,), (tangent,) = primals, tangents
        value = function(x)
        return value, tangent * slope(x, value)


for _function, _slope in _RULES.items():
    _differentiable(_function, _slope)


def _real(name, input):
    refuse(f"{name}_cpu", input, COMPLEX)
    return floating(input)


@op(inplace=True, aliases=("special.i0",))
def i0(input: Array):
    """The modified Bessel function of order 0 of each element.

    Example:
        >>> kuai.i0(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 1.2661])
    """
    return in_wide(bessel_i0, _real("i0_vml", input))


@op(export="special.i0e", grad="SpecialI0EBackward0")
def i0e(input: Array):
    """exp(-|x|) I₀(x), which does not overflow.

    Example:
        >>> kuai.special.i0e(kuai.tensor([0.0, 100.0]))
        tensor([1.0000, 0.0399])
    """
    return in_wide(bessel_i0e, _real("i0e", input))


@op(export="special.i1", grad="SpecialI1Backward0")
def i1(input: Array):
    """The modified Bessel function of order 1 of each element.

    Example:
        >>> kuai.special.i1(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.5652])
    """
    return in_wide(bessel_i1, _real("i1", input))


@op(export="special.i1e", grad="SpecialI1EBackward0")
def i1e(input: Array):
    """exp(-|x|) I₁(x), which does not overflow.

    Example:
        >>> kuai.special.i1e(kuai.tensor([0.0, 100.0]))
        tensor([0.0000, 0.0397])
    """
    return in_wide(bessel_i1e, _real("i1e", input))


# Ai -----------------------------------------------------------------------------------------------


def _airy_series(x):
    """Ai(0) f - |Ai′(0)| g: the two power series in x³, for -2.09 ≤ x ≤ 8.33."""
    f = term_f = jnp.ones_like(x)
    g = term_g = x
    cube = x**3
    for k in range(1, 90, 3):
        term_f = term_f * cube / ((k + 1) * (k + 2))
        term_g = term_g * cube / ((k + 2) * (k + 3))
        f, g = f + term_f, g + term_g
    return 0.355028053887817239260 * f - 0.258819403792806798405 * g


def _airy(x):
    left, right = jnp.where(x < -2.09, x, -4), jnp.where(x >= 2.09, x, 4)
    zeta = -2 * left * jnp.sqrt(-left) / 3
    z = 1 / zeta
    cosine = z * _polynomial(AIRY["AGN"], z * z) / _polynomial(AIRY["AGD"], z * z)
    sine = 1 + z * z * _polynomial(AIRY["AFN"], z * z) / _polynomial(AIRY["AFD"], z * z)
    angle = zeta + jnp.pi / 4
    wave = (jnp.sin(angle) * sine - jnp.cos(angle) * cosine) / jnp.sqrt(jnp.pi * jnp.sqrt(-left))
    zeta = 2 * right * jnp.sqrt(right) / 3
    decay = _polynomial(AIRY["AN"], 1 / zeta) / _polynomial(AIRY["AD"], 1 / zeta)
    decay = decay / (2 * jnp.sqrt(jnp.pi * jnp.sqrt(right)) * jnp.exp(zeta))
    middle = _airy_series(jnp.clip(x, -2.09, 2.09))
    value = jnp.where(x < -2.09, wave, jnp.where(x >= 2.09, decay, middle))
    value = jnp.where(x > 103.892, 0, value)
    return jnp.where(jnp.isinf(x) | jnp.isnan(x), jnp.nan, value)


# The functions without a derivative ---------------------------------------------------------------


def _spherical(x):
    size = jnp.where(jnp.abs(x) < 0.5, 1, x)
    square = jnp.where(jnp.abs(x) < 0.5, x, 0) ** 2
    series = _polynomial(
        (1 / 6227020800, -1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1), square
    )
    return jnp.where(jnp.isinf(x), 0, jnp.where(jnp.abs(x) < 0.5, series, jnp.sin(size) / size))


_PLAIN = {
    "airy_ai": _airy,
    "bessel_j0": lambda x: _j(0, x),
    "bessel_j1": lambda x: _j(1, x),
    "bessel_y0": lambda x: _y(0, x),
    "bessel_y1": lambda x: _y(1, x),
    "modified_bessel_i0": special.i0,
    "modified_bessel_i1": special.i1,
    "modified_bessel_k0": lambda x: _k(0, x, scaled=False),
    "modified_bessel_k1": lambda x: _k(1, x, scaled=False),
    "scaled_modified_bessel_k0": lambda x: _k(0, x, scaled=True),
    "scaled_modified_bessel_k1": lambda x: _k(1, x, scaled=True),
    "spherical_bessel_j0": _spherical,
}


@op(function=False, method=False, name="bessel")
def plain(input: Array, name: str):
    """One of the functions without a derivative."""
    return _PLAIN[name](whole_precision(name, input))


@composite(export="special.airy_ai")
def airy_ai(input):
    """The Airy function Ai of each element.

    Example:
        >>> kuai.special.airy_ai(kuai.tensor([0.0, 1.0]))
        tensor([0.3550, 0.1353])
    """
    return plain(input.detach(), "airy_ai")


@composite(export="special.bessel_j0")
def bessel_j0(input):
    """The Bessel function of the first kind of order 0.

    Example:
        >>> kuai.special.bessel_j0(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 0.7652])
    """
    return plain(input.detach(), "bessel_j0")


@composite(export="special.bessel_j1")
def bessel_j1(input):
    """The Bessel function of the first kind of order 1.

    Example:
        >>> kuai.special.bessel_j1(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.4401])
    """
    return plain(input.detach(), "bessel_j1")


@composite(export="special.bessel_y0")
def bessel_y0(input):
    """The Bessel function of the second kind of order 0: -inf at 0, nan below.

    Example:
        >>> kuai.special.bessel_y0(kuai.tensor([0.0, 1.0]))
        tensor([  -inf, 0.0883])
    """
    return plain(input.detach(), "bessel_y0")


@composite(export="special.bessel_y1")
def bessel_y1(input):
    """The Bessel function of the second kind of order 1: -inf at 0, nan below.

    Example:
        >>> kuai.special.bessel_y1(kuai.tensor([0.0, 1.0]))
        tensor([   -inf, -0.7812])
    """
    return plain(input.detach(), "bessel_y1")


@composite(export="special.modified_bessel_i0")
def modified_bessel_i0(input):
    """`i0`, without a derivative.

    Example:
        >>> kuai.special.modified_bessel_i0(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 1.2661])
    """
    return plain(input.detach(), "modified_bessel_i0")


@composite(export="special.modified_bessel_i1")
def modified_bessel_i1(input):
    """`i1`, without a derivative.

    Example:
        >>> kuai.special.modified_bessel_i1(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.5652])
    """
    return plain(input.detach(), "modified_bessel_i1")


@composite(export="special.modified_bessel_k0")
def modified_bessel_k0(input):
    """The modified Bessel function of the second kind of order 0: inf at 0, nan below.

    Example:
        >>> kuai.special.modified_bessel_k0(kuai.tensor([0.0, 1.0]))
        tensor([   inf, 0.4210])
    """
    return plain(input.detach(), "modified_bessel_k0")


@composite(export="special.modified_bessel_k1")
def modified_bessel_k1(input):
    """The modified Bessel function of the second kind of order 1: inf at 0, nan below.

    Example:
        >>> kuai.special.modified_bessel_k1(kuai.tensor([0.0, 1.0]))
        tensor([   inf, 0.6019])
    """
    return plain(input.detach(), "modified_bessel_k1")


@composite(export="special.scaled_modified_bessel_k0")
def scaled_modified_bessel_k0(input):
    """exp(x) K₀(x), which does not underflow.

    Example:
        >>> kuai.special.scaled_modified_bessel_k0(kuai.tensor([1.0, 100.0]))
        tensor([1.1445, 0.1252])
    """
    return plain(input.detach(), "scaled_modified_bessel_k0")


@composite(export="special.scaled_modified_bessel_k1")
def scaled_modified_bessel_k1(input):
    """exp(x) K₁(x), which does not underflow.

    Example:
        >>> kuai.special.scaled_modified_bessel_k1(kuai.tensor([1.0, 100.0]))
        tensor([1.6362, 0.1258])
    """
    return plain(input.detach(), "scaled_modified_bessel_k1")


@composite(export="special.spherical_bessel_j0")
def spherical_bessel_j0(input):
    """sin(x) / x, and 1 at 0.

    Example:
        >>> kuai.special.spherical_bessel_j0(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 0.8415])
    """
    return plain(input.detach(), "spherical_bessel_j0")
