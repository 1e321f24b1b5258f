"""Softmax and what is made of it, and the randomized rectifier.

The backward passes need only the outputs: for y = softmax(x), x̄ = y·(ȳ - Σ ȳ·y); for
y = log_softmax(x), x̄ = ȳ - eʸ·Σ ȳ.
"""

import functools
import warnings

import jax
import jax.numpy as jnp

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.ops.accumulation import in_wide, widened
from kuai.ops.dimensions import normalize_dim
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, refuse, to_dtype
from kuai.ops.nn.piecewise_linear import _averaged_relu, _randomized_relu


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _softmax(input, dim):
    return in_wide(functools.partial(jax.nn.softmax, axis=dim), input)


@_softmax.defjvp
def _softmax_jvp(dim, primals, tangents):
    output, change = _softmax(primals[0], dim), tangents[0]
    wide, weighted = widened(output), widened(output) * change
    along = weighted - wide * jnp.sum(weighted, axis=dim, keepdims=True)
    return output, along.astype(output.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def log_softmax_array(input, dim):
    """log softmax of an array; its derivative keeps the output only."""
    return in_wide(functools.partial(jax.nn.log_softmax, axis=dim), input)


@log_softmax_array.defjvp
def _log_softmax_jvp(dim, primals, tangents):
    output, change = log_softmax_array(primals[0], dim), tangents[0]
    weighted = jnp.exp(widened(output)) * change
    along = change - jnp.sum(weighted, axis=dim, keepdims=True)
    return output, along.astype(output.dtype)


def _prepared(input, dim: int, dtype, name: str):
    dim = normalize_dim(dim, input.ndim)
    input = to_dtype(input, dtype)
    last = dim == input.ndim - 1 or input.ndim == 0
    refuse(
        f"{name}_lastdim_kernel_impl" if last else f"{name}_kernel_impl",
        input,
        BOOL,
        INTEGER,
        COMPLEX,
    )
    return input, dim


def _over(function, input, dim):
    """A 0-d tensor has one dimension of size one for PyTorch."""
    return function(input, dim) if input.ndim else function(input[None], 0)[0]


@op(function=False, method=False, grad="SoftmaxBackward0", autocast={"cuda": "float32"})
def _softmax_op(input: Array, dim: int, dtype: object = None):
    input, dim = _prepared(input, dim, dtype, "softmax")
    return _over(_softmax, input, dim)


@op(function=False, method=False, grad="SoftmaxBackward0", autocast={"cuda": "float32"})
def _softmin_op(input: Array, dim: int, dtype: object = None):
    input, dim = _prepared(-input, dim, dtype, "softmax")
    return _over(_softmax, input, dim)


@op(function=False, method=False, grad="LogSoftmaxBackward0", autocast={"cuda": "float32"})
def _log_softmax_op(input: Array, dim: int, dtype: object = None):
    input, dim = _prepared(input, dim, dtype, "log_softmax")
    return _over(log_softmax_array, input, dim)


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


@composite(function=False, method=False, functional=True, exact_out=SAME)
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """eˣ / Σ eˣ along `dim`: positive numbers that sum to one.

    Args:
        dim: the dimension that sums to one.
        dtype: converts the input first.

    Example:
        >>> kuai.nn.functional.softmax(kuai.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return _softmax_op(input, dim, dtype)


@composite(function=False, method=False, functional=True, exact_out=SAME)
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log softmax(x) along `dim`, computed without overflow.

    Args:
        dim: the dimension along which the numbers belong together.

    Example:
        >>> kuai.nn.functional.log_softmax(kuai.tensor([0.0, 0.0]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return _log_softmax_op(input, dim, dtype)


@composite(function=False, method=False, functional=True)
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-x) along `dim`.

    Args:
        dim: the dimension along which the numbers belong together.

    Example:
        >>> kuai.nn.functional.softmin(kuai.tensor([1.0, 1.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return _softmin_op(input, dim, dtype)


@composite(export=("softmax", "Tensor.softmax"), exact_out=SAME, out_name="aten::softmax")
def softmax_along(input, dim, dtype=None):
    """eˣ / Σ eˣ along `dim`, which unlike that of `nn.functional.softmax` has to be said.

    Example:
        >>> kuai.tensor([0, 0]).softmax(0, kuai.float64)
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    return _softmax_op(input, dim, dtype)


@composite(
    export=("log_softmax", "Tensor.log_softmax"), exact_out=SAME, out_name="aten::log_softmax"
)
def log_softmax_along(input, dim, dtype=None):
    """log softmax(x) along `dim`, which unlike that of `nn.functional.log_softmax` has to be said.

    Example:
        >>> kuai.log_softmax(kuai.tensor([0.0, 0.0]), 0)
        tensor([-0.6931, -0.6931])
    """
    return _log_softmax_op(input, dim, dtype)


@op(function=False, method=False, random=True, grad="SoftmaxBackward0")
def _gumbel_softmax_op(key, logits: Array, tau: Array | Number, hard: bool, dim: int):
    """Softmax of logits plus Gumbel noise; `hard` rounds forward and leaves the derivative soft."""
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. "
            "dtype must be a floating point but you specified Long"
        )
    dim = normalize_dim(dim, logits.ndim)
    noise = jax.random.gumbel(key, logits.shape, logits.dtype)
    soft = _over(_softmax, (logits + noise) / jnp.asarray(tau, logits.dtype), dim)
    if not hard:
        return soft
    chosen = jnp.argmax(soft, axis=dim, keepdims=True)
    places = jax.lax.broadcasted_iota(chosen.dtype, soft.shape, dim)
    return (places == chosen).astype(soft.dtype) - jax.lax.stop_gradient(soft) + soft


@composite(function=False, method=False, functional=True)
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A differentiable sample from a categorical distribution.

    Args:
        tau: the temperature; the smaller, the closer to a one-hot vector.
        hard: a one-hot vector, differentiated as if it were the soft sample.

    Example:
        >>> kuai.nn.functional.gumbel_softmax(kuai.zeros(2, 3), hard=True).sum()
        tensor(2.)

    Reference: Jang et al., Categorical reparameterization with Gumbel-softmax, 2016.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    return _gumbel_softmax_op(logits, tau, hard, dim)


@composite(method=False, functional=True)
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """The randomized rectifier: x where x > 0, a·x elsewhere.

    In training a is drawn uniformly from [lower, upper] for each element, else it is their mean.

    Args:
        lower, upper: the range of the slopes.
        inplace: write the result into the input.

    Example:
        >>> kuai.nn.functional.rrelu(kuai.tensor([-1.0, 2.0]), 0.25, 0.75)
        tensor([-0.5000,  2.0000])

    Reference: Xu et al., Empirical evaluation of rectified activations, 2015.
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    output = (_randomized_relu if training else _averaged_relu)(input, lower, upper)
    return overwrite(input, output) if inplace else output


@composite(method=False, functional=True)
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """In-place version of `rrelu`."""
    return rrelu(input, lower, upper, training, inplace=True)


# In kuai.special ---------------------------------------------------------------------------------


@composite(export="special.softmax")
def softmax_of(input, dim, *, dtype=None):
    """`kuai.softmax` along a dimension.

    Example:
        >>> kuai.special.softmax(kuai.tensor([1.0, 1.0]), 0)
        tensor([0.5000, 0.5000])
    """
    return softmax_along(input, dim, dtype)


@composite(export="special.log_softmax")
def log_softmax_of(input, dim, *, dtype=None):
    """`kuai.log_softmax` along a dimension.

    Example:
        >>> kuai.special.log_softmax(kuai.tensor([1.0, 1.0]), 0)
        tensor([-0.6931, -0.6931])
    """
    return log_softmax_along(input, dim, dtype)
