"""Special functions, element by element: error functions, gamma functions, entropies."""

import jax
from jax.scipy import special

from kuai.engine.op import Array, Number, composite, op
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, floating, refuse, together
from kuai.ops.math import slopes


@op(inplace=True, aliases=("special.erf",))
def erf(input: Array):
    """The error function 2/√π ∫₀ˣ exp(-t²) dt of each element.

    Example:
        >>> kuai.erf(kuai.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8427])
    """
    return _real(jax.lax.erf, "erf_vml_cpu", input)


@op(inplace=True, aliases=("special.erfc",))
def erfc(input: Array):
    """1 - erf(x) of each element, exact for large x.

    Example:
        >>> kuai.erfc(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 0.1573])
    """
    return _real(jax.lax.erfc, "erfc_vml_cpu", input)


@op(inplace=True, autocast={"cuda": "float32"}, aliases=("special.erfinv",))
def erfinv(input: Array):
    """The inverse of `erf` at each element.

    Example:
        >>> kuai.erfinv(kuai.tensor([0.0, 0.5]))
        tensor([0.0000, 0.4769])
    """
    return _real(jax.lax.erf_inv, "erfinv_vml_cpu", input)


@op(inplace=True, aliases=("special.gammaln",))
def lgamma(input: Array):
    """log |Γ(x)| of each element.

    Example:
        >>> kuai.lgamma(kuai.tensor([0.5, 3.0]))
        tensor([0.5724, 0.6931])
    """
    return _real(slopes.log_gamma, "lgamma_cpu", input)


@op(inplace=True, aliases=("special.digamma", "special.psi"))
def digamma(input: Array):
    """The derivative of `lgamma` at each element.

    Example:
        >>> kuai.digamma(kuai.tensor([0.5, 3.0]))
        tensor([-1.9635,  0.9228])
    """
    return _real(slopes.digamma, "digamma_cpu", input)


def _real(function, name: str, input):
    refuse(name, input, COMPLEX)
    return function(floating(input))


@op(function=False, method=False, name="polygamma", grad="PolygammaBackward0")
def polygamma_of(n: int, input: Array):
    """The n-th derivative of `digamma`."""
    return slopes.polygamma_of_order(n)(floating(input))


@composite(method=False, aliases=("special.polygamma",))
def polygamma(n, input):
    """The n-th derivative of `digamma` at each element.

    Example:
        >>> kuai.polygamma(1, kuai.tensor([1.0, 2.0]))
        tensor([1.6449, 0.6449])
    """
    return polygamma_of(n, input)


@op(inplace=True, aliases=("special.xlogy",))
def xlogy(input: Array | Number, other: Array | Number):
    """`input * log(other)`, and 0 where `input` is 0.

    Example:
        >>> kuai.xlogy(kuai.tensor([0.0, 2.0]), kuai.tensor([0.0, 3.0]))
        tensor([0.0000, 2.1972])
    """
    input, other = together(input, other, to_float=True)
    return slopes.x_log_y(input, other)


@op
def logaddexp(input: Array, other: Array):
    """log(eˣ + eʸ) without overflow on the way.

    Example:
        >>> kuai.logaddexp(kuai.tensor([0.0, 100.0]), kuai.tensor([0.0, 100.0]))
        tensor([  0.6931, 100.6931])
    """
    input, other = together(input, other)
    refuse("logaddexp_cpu", input, BOOL, INTEGER)
    return slopes.log_add_exp(input, other)


@op
def logaddexp2(input: Array, other: Array):
    """log₂(2ˣ + 2ʸ) without overflow on the way.

    Example:
        >>> kuai.logaddexp2(kuai.tensor([0.0, 100.0]), kuai.tensor([0.0, 100.0]))
        tensor([  1., 101.])
    """
    input, other = together(input, other)
    refuse("logaddexp2_cpu", input, BOOL, INTEGER)
    return slopes.log_add_exp2(input, other)


@op(inplace=True, aliases=("special.i0",))
def i0(input: Array):
    """The modified Bessel function of order 0 of each element.

    Example:
        >>> kuai.i0(kuai.tensor([0.0, 1.0]))
        tensor([1.0000, 1.2661])
    """
    return slopes.bessel_i0(floating(input))


@op(export="special.entr", grad="SpecialEntrBackward0")
def entr(input: Array):
    """-x log x of each element: 0 at 0, -inf below.

    Example:
        >>> kuai.special.entr(kuai.tensor([0.0, 0.5]))
        tensor([0.0000, 0.3466])
    """
    return slopes.entropy(floating(input))


@op(export="special.ndtr")
def ndtr(input: Array):
    """The standard normal distribution function at each element.

    Example:
        >>> kuai.special.ndtr(kuai.tensor([0.0, 1.0]))
        tensor([0.5000, 0.8413])
    """
    return special.ndtr(floating(input))


@op(export="special.ndtri", grad="SpecialNdtriBackward0")
def ndtri(input: Array):
    """The inverse of `ndtr` at each element.

    Example:
        >>> kuai.special.ndtri(kuai.tensor([0.5, 0.9]))
        tensor([0.0000, 1.2816])
    """
    return slopes.normal_quantile(floating(input))


@op(export="special.log_ndtr", grad="SpecialLogNdtrBackward0")
def log_ndtr(input: Array):
    """The logarithm of `ndtr`, exact far to the left.

    Example:
        >>> kuai.special.log_ndtr(kuai.tensor([0.0, -3.0]))
        tensor([-0.6931, -6.6077])
    """
    return special.log_ndtr(floating(input))


@op(export="special.xlog1py", grad="SpecialXlog1PyBackward0")
def xlog1py(input: Array | Number, other: Array | Number):
    """`input * log1p(other)`, and 0 where `input` is 0.

    Example:
        >>> kuai.special.xlog1py(kuai.tensor([0.0, 2.0]), kuai.tensor([-1.0, 3.0]))
        tensor([0.0000, 2.7726])
    """
    return special.xlog1py(*together(input, other, to_float=True))
