"""Special functions, element by element: error functions, gamma functions, entropies."""

import math

import jax
import jax.numpy as jnp
from jax.scipy import special

from kuai.engine.op import Array, Number, composite, op
from kuai.ops.accumulation import widened
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, call, floating, kind_of, refuse, together
from kuai.ops.math import slopes
from kuai.ops.math.bessel import whole_precision
from kuai.ops.math.gamma_functions import in_single, log_gamma, polygamma_at
from kuai.ops.math.reduction import logsumexp


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
    return _real(log_gamma, "lgamma_vml_cpu", input)


@op(inplace=True, aliases=("special.digamma", "special.psi"))
def digamma(input: Array):
    """The derivative of `lgamma` at each element.

    Example:
        >>> kuai.digamma(kuai.tensor([0.5, 3.0]))
        tensor([-1.9635,  0.9228])
    """
    return _real(lambda x: in_single(lambda y: polygamma_at(0, y), x), "digamma", input)


def _real(function, name: str, input):
    refuse(name, input, COMPLEX)
    return function(floating(input))


@op(inplace=True, aliases=("special.xlogy",))
def xlogy(input: Array | Number, other: Array | Number):
    """`input * log(other)`, and 0 where `input` is 0.

    Example:
        >>> kuai.xlogy(kuai.tensor([0.0, 2.0]), kuai.tensor([0.0, 3.0]))
        tensor([0.0000, 2.1972])
    """
    input, other = together(input, other, to_float=True)
    refuse("xlogy_cpu", input, COMPLEX)
    return slopes.x_log_y(input, other)


def _in_wide(function, input, other):
    return function(widened(input), widened(other)).astype(input.dtype)


@op
def logaddexp(input: Array, other: Array):
    """log(eˣ + eʸ) without overflow on the way.

    Example:
        >>> kuai.logaddexp(kuai.tensor([0.0, 100.0]), kuai.tensor([0.0, 100.0]))
        tensor([  0.6931, 100.6931])
    """
    input, other = together(input, other)
    refuse("logaddexp_cpu", input, BOOL, INTEGER)
    if kind_of(input) == COMPLEX:
        return slopes.log_add_exp_complex(input, other)
    return _in_wide(slopes.log_add_exp, input, other)


@op
def logaddexp2(input: Array, other: Array):
    """log₂(2ˣ + 2ʸ) without overflow on the way.

    Example:
        >>> kuai.logaddexp2(kuai.tensor([0.0, 100.0]), kuai.tensor([0.0, 100.0]))
        tensor([  1., 101.])
    """
    input, other = together(input, other)
    refuse("logaddexp2_cpu", input, BOOL, INTEGER, COMPLEX)
    return _in_wide(slopes.log_add_exp2, input, other)


@op(export="special.entr", grad="SpecialEntrBackward0")
def entr(input: Array):
    """-x log x of each element: 0 at 0, -inf below.

    Example:
        >>> kuai.special.entr(kuai.tensor([0.0, 0.5]))
        tensor([0.0000, 0.3466])
    """
    refuse("entr_cpu", input, COMPLEX)
    return slopes.entropy(floating(input))


@op(export="special.ndtr")
def ndtr(input: Array):
    """The standard normal distribution function at each element.

    Example:
        >>> kuai.special.ndtr(kuai.tensor([0.0, 1.0]))
        tensor([0.5000, 0.8413])
    """
    refuse("erf_vml_cpu", input, COMPLEX)
    return in_single(special.ndtr, floating(input))


@op(export="special.ndtri", grad="SpecialNdtriBackward0")
def ndtri(input: Array):
    """The inverse of `ndtr` at each element.

    Example:
        >>> kuai.special.ndtri(kuai.tensor([0.5, 0.9]))
        tensor([0.0000, 1.2816])
    """
    return in_single(slopes.normal_quantile, floating(input))


@op(export="special.log_ndtr", grad="SpecialLogNdtrBackward0")
def log_ndtr(input: Array):
    """The logarithm of `ndtr`, exact far to the left.

    Example:
        >>> kuai.special.log_ndtr(kuai.tensor([0.0, -3.0]))
        tensor([-0.6931, -6.6077])
    """
    return in_single(special.log_ndtr, floating(input))


@op(export="special.xlog1py", grad="SpecialXlog1PyBackward0")
def xlog1py(input: Array | Number, other: Array | Number):
    """`input * log1p(other)`, and 0 where `input` is 0.

    Example:
        >>> kuai.special.xlog1py(kuai.tensor([0.0, 2.0]), kuai.tensor([-1.0, 3.0]))
        tensor([0.0000, 2.7726])
    """
    input, other = together(input, other, to_float=True)
    refuse("xlog1py_cpu", input, COMPLEX)
    return _xlog1py(input, other)


def _by_factor(output, x, y):
    """0 where the product is 0 although the logarithm is not finite."""
    return jnp.where((x == 0) & (y <= -1), 0, jnp.log1p(y))


_xlog1py = slopes.with_slopes(special.xlog1py, _by_factor, lambda output, x, y: x / (y + 1))


@jax.custom_jvp
def _scaled_erfc(x):
    """JAX's, which is 0 in float32 from 9.3 on; there the first terms in 1/x² are enough."""
    far = (1 - _far_part(x)) / jnp.where(x > 9, x, 9) / math.sqrt(math.pi)
    is_single = x.dtype == jnp.float32
    return jnp.where(x > 9, far, special.erfcx(x)) if is_single else special.erfcx(x)


def _far_part(x):
    """1 - √π x erfcx(x) of x > 9."""
    inverse = 1 / jnp.where(x > 9, x, 9) ** 2 / 2
    return inverse * (1 - inverse * (3 - 15 * inverse))


@_scaled_erfc.defjvp
def _scaled_erfc_derivative(primals, tangents):
    (x,), (tangent,) = primals, tangents
    value, two = _scaled_erfc(x), 2 / math.sqrt(math.pi)
    # far out 2x erfcx(x) is 2/√π but for its last bits
    far = (x > 9) if x.dtype == jnp.float32 else (x > 1e4)
    slope = jnp.where(far, -two * _far_part(x), 2 * jnp.where(far, 0, x * value) - two)
    return value, tangent * slope.astype(x.dtype)


@op(export="special.erfcx", grad="SpecialErfcxBackward0")
def erfcx(input: Array):
    """exp(x²) erfc(x) of each element, which does not underflow.

    Example:
        >>> kuai.special.erfcx(kuai.tensor([0.0, 10.0]))
        tensor([1.0000, 0.0561])
    """
    return _scaled_erfc(whole_precision("erfcx", input))


@composite(export="special.logsumexp")
def logsumexp_of(input, dim, keepdim=False, *, out=None):
    """`kuai.logsumexp` along dimensions.

    Example:
        >>> kuai.special.logsumexp(kuai.tensor([1.0, 1.0]), 0)
        tensor(1.6931)
    """
    return call(logsumexp, out, input, dim, keepdim)
