"""Smooth activation functions, element by element; those of straight pieces are beside them.

Formulas are written so that neither value nor gradient of the branch not taken can overflow, and
so that the gradient at a kink, and at nan, is PyTorch's. 16-bit numbers are computed in float32 and
rounded once.
"""

import math

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, op
from kuai.engine.op.exact_out import FOUND
from kuai.engine.tensor.promotion import cast
from kuai.ops.accumulation import in_wide
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, divided, floating, refuse
from kuai.ops.faces import with_inplace, with_underscore

NOT_REAL = (BOOL, INTEGER, COMPLEX)
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def like(input, *numbers):
    """Python numbers in the input's dtype, so that they do not change the result's."""
    return tuple(cast(number, input.dtype) for number in numbers)


def _below_zero(input):
    """The input where it is negative, zero elsewhere: keeps exponentials from overflowing."""
    return jnp.where(input <= 0, input, jnp.zeros((), input.dtype))


# Exponential units --------------------------------------------------------------------------------


@with_underscore
@with_inplace
@op(function=False, method=False)
def elu(input: Array, alpha: Number = 1.0):
    """The exponential linear unit: x where x > 0, alpha·(eˣ - 1) elsewhere.

    Args:
        alpha: minus the limit for x → −∞.

    Example:
        >>> kuai.nn.functional.elu(kuai.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])

    Reference: Clevert et al., Fast and accurate deep network learning by ELUs, 2015.
    """
    refuse("elu_cpu", input, *NOT_REAL)
    return in_wide(lambda x: _exponential(x, *like(x, alpha)), input)


def _exponential(x, alpha):
    return jnp.where(x <= 0, alpha * jnp.expm1(_below_zero(x)), x)


@with_underscore
@with_inplace
@op(inplace=True, method=False, grad="EluBackward0")
def selu(input: Array):
    """The self-normalizing unit: scale·(max(0, x) + min(0, alpha·(eˣ - 1))).

    Example:
        >>> kuai.selu(kuai.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])

    Reference: Klambauer et al., Self-normalizing neural networks, 2017.
    """
    refuse("elu_cpu", input, *NOT_REAL)

    def unit(x):
        alpha, scale = like(x, _SELU_ALPHA, _SELU_SCALE)
        return scale * _exponential(x, alpha)

    return in_wide(unit, input)


def _check_alpha(input, alpha):
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")


@with_underscore
@with_inplace
@op(inplace=True, method=False, check=_check_alpha)
def celu(input: Array, alpha: Number = 1.0):
    """The continuously differentiable unit: max(0, x) + min(0, alpha·(e^(x/alpha) - 1)).

    Args:
        alpha: minus the limit for x → −∞.

    Example:
        >>> kuai.celu(kuai.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])

    Reference: Barron, Continuously differentiable exponential linear units, 2017.
    """
    refuse("elu_cpu", input, *NOT_REAL)

    def unit(x):
        (limit,) = like(x, alpha)
        return jnp.where(x <= 0, limit * jnp.expm1(_below_zero(x) / limit), x)

    return in_wide(unit, input)


# Smooth units -------------------------------------------------------------------------------------


@op(function=False, method=False, functional=True, exact_out=FOUND)
def gelu(input: Array, *, approximate: str = "none"):
    """The Gaussian error linear unit: x·Φ(x); with `approximate='tanh'` by a formula with tanh.

    Args:
        approximate: `'none'`, or `'tanh'` for x·(1 + tanh(√(2/π)(x + 0.044715·x³))) / 2.

    Example:
        >>> kuai.nn.functional.gelu(kuai.tensor([-1.0, 2.0]))
        tensor([-0.1587,  1.9545])

    Reference: Hendrycks, Gimpel, Gaussian error linear units, 2016.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    refuse("GeluKernelImpl", input, *NOT_REAL)
    return in_wide(_gelu_by_tanh if approximate == "tanh" else _gelu, input)


def _gelu(x):
    return (0.5 * x * (1 + jax.lax.erf(x * math.sqrt(0.5)))).astype(x.dtype)


def _gelu_by_tanh(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return (0.5 * x * (1 + jnp.tanh(inner))).astype(x.dtype)


@with_inplace
@op(function=False, method=False)
def silu(input: Array):
    """The sigmoid linear unit, also called swish: x·σ(x).

    Example:
        >>> kuai.nn.functional.silu(kuai.tensor([-1.0, 2.0]))
        tensor([-0.2689,  1.7616])

    Reference: Hendrycks & Gimpel, "Gaussian error linear units", 2016; Ramachandran et al.,
    "Searching for activation functions", 2017.
    """
    refuse("silu_cpu", input, BOOL, INTEGER)
    return in_wide(lambda x: x * jax.nn.sigmoid(x), input)


@with_inplace
@op(function=False, method=False)
def mish(input: Array):
    """A self-regularized unit: x·tanh(softplus(x)).

    Example:
        >>> kuai.nn.functional.mish(kuai.tensor([-1.0, 2.0]))
        tensor([-0.3034,  1.9440])

    Reference: Misra, Mish: a self regularized non-monotonic neural activation function, 2019.
    """
    refuse("mish_cpu", input, *NOT_REAL)
    return in_wide(lambda x: x * jnp.tanh(jax.nn.softplus(x)), input)


@op(function=False, method=False, functional=True, autocast={"cuda": "float32"}, exact_out=FOUND)
def softplus(input: Array, beta: Number = 1, threshold: Number = 20):
    """A smooth rectifier: log(1 + e^(beta·x)) / beta, and x itself where beta·x > threshold.

    Args:
        beta: the larger, the nearer to ReLU.
        threshold: from where on the function is the identity.

    Example:
        >>> kuai.nn.functional.softplus(kuai.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])

    Reference: Dugas et al., "Incorporating second-order functional knowledge for better option
    pricing", NeurIPS 2000.
    """
    refuse("softplus_cpu", input, *NOT_REAL)

    def unit(x):
        factor, limit = like(x, beta, threshold)
        linear = x * factor > limit
        scaled = jnp.where(linear, jnp.zeros((), x.dtype), x * factor)
        return jnp.where(linear, x, jax.nn.softplus(scaled) / factor)

    return in_wide(unit, input)


@op(
    function=False,
    method=False,
    functional=True,
    grad="LogSigmoidBackward0",
    name="log_sigmoid",
    out_name="log_sigmoid_forward",
    exact_out="expected scalar type {found} but found {wanted}",
)
def logsigmoid(input: Array):
    """log(1 / (1 + e⁻ˣ)), without overflow.

    Example:
        >>> kuai.nn.functional.logsigmoid(kuai.tensor([0.0]))
        tensor([-0.6931])
    """
    refuse("log_sigmoid_cpu", input, *NOT_REAL)
    return in_wide(lambda x: 0 - jax.nn.softplus(-x), input)


@op(function=False, method=False, functional=True, grad="DivBackward0")
def softsign(input: Array):
    """x / (1 + |x|).

    Example:
        >>> kuai.nn.functional.softsign(kuai.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])

    Reference: Bergstra et al., "Quadratic polynomials learn better image features", 2009.
    """
    refuse("abs_cpu", input, BOOL)
    input = floating(input)
    return divided(input, 1 + jnp.where(input == 0, input, jnp.abs(input)))


@op(function=False, method=False, functional=True, grad="SubBackward0")
def tanhshrink(input: Array):
    """x - tanh(x).

    Example:
        >>> kuai.nn.functional.tanhshrink(kuai.tensor([1.0]))
        tensor([0.2384])
    """
    return input - jnp.tanh(floating(input))


@op(function=False, method=False, functional=True)
def glu(input: Array, dim: int = -1):
    """The gated linear unit: a·σ(b), where a and b are the halves of the input along `dim`.

    Args:
        dim: the dimension to halve.

    Shape:
        `(*, 2n, *)` to `(*, n, *)`.

    Example:
        >>> kuai.nn.functional.glu(kuai.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])

    Reference: Dauphin et al., Language modeling with gated convolutional networks, 2016.
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.ndim}, "
            f"{input.ndim - 1}], but got {dim})"
        )
    dim = dim % input.ndim
    if input.shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}"
        )
    refuse("glu_cpu", input, *NOT_REAL)

    def unit(x):
        values, gates = jnp.split(x, 2, axis=dim)
        return values * jax.nn.sigmoid(gates)

    return in_wide(unit, input)
