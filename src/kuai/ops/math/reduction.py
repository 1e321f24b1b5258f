"""Reductions: sums, products, means, variances and truth over some or all dimensions.

`dim` is a dimension, a tuple of them, or None for all. Integers and bools are summed in int64.
"""

import functools
import math
import warnings

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME, check_exact
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import dtype as Dtype
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import averaged, in_wide, summed, wide_dtype, widened
from kuai.ops.dimensions import normalize_dims, size_of
from kuai.ops.elementwise import (
    BOOL,
    COMPLEX,
    FLOATING,
    call,
    floating,
    kind_of,
    magnitude,
    refuse,
    to_dtype,
)
from kuai.ops.known_values import INTEGERS
from kuai.ops.math.norms import safe_sqrt

# Sums and products --------------------------------------------------------------------------------


def summable(input, dtype):
    """The input in the dtype it is summed in: as asked for, else int64 for integers and bools."""
    if dtype is None and kind_of(input) < FLOATING:
        return input.astype(jnp.int64)
    return to_dtype(input, dtype)


@op(function=False, method=False, name="sum", grad="SumBackward0", autocast={"cuda": "float32"})
def sum_all(input: Array, dtype: Dtype | None):
    """The sum of all elements."""
    return summed(summable(input, dtype))


@op(function=False, method=False, name="sum", grad="SumBackward1", autocast={"cuda": "float32"})
def sum_over(input: Array, dim: int | tuple[int, ...] | None, keepdim: bool, dtype: Dtype | None):
    """The sum over some dimensions."""
    input = summable(input, dtype)
    return summed(input, normalize_dims(dim, input.ndim), keepdim)


@composite
def sum(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The sum of all elements, or over some dimensions.

    Example:
        >>> x = kuai.tensor([[1, 2], [3, 4]])
        >>> x.sum(), x.sum(dim=0), x.sum(dim=1, keepdim=True)
        (tensor(10), tensor([4, 6]), tensor([[3],
                [7]]))
    """
    if out is not None:  # it is added up in that dtype
        check_exact(SAME, out.dtype, dtype or out.dtype)
        dtype = out.dtype
    if dim is None and not keepdim:
        return call(sum_all, out, input, dtype)
    return call(sum_over, out, input, dim, keepdim, dtype)


@op
def nansum(
    input: Array,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
):
    """The sum of the elements that are not NaN.

    Example:
        >>> kuai.nansum(kuai.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    if kind_of(input) == COMPLEX:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    input = summable(input, dtype)
    kept = jnp.where(jnp.isnan(input), 0, input)
    return summed(kept, normalize_dims(dim, input.ndim), keepdim)


@op(grad="ProdBackward0", autocast="float32")
def prod(
    input: Array, dim: int | None = None, keepdim: bool = False, *, dtype: Dtype | None = None
):
    """The product of all elements, or along one dimension.

    Example:
        >>> kuai.prod(kuai.tensor([[1, 2], [3, 4]]), dim=1)
        tensor([ 2, 12])
    """
    if not (dim is None or isinstance(dim, INTEGERS)):
        raise TypeError(
            "prod() received an invalid combination of arguments - got "
            f"(Tensor, dim={type(dim).__name__})"
        )
    input = summable(input, dtype)
    axis, kind = normalize_dims(dim, input.ndim), wide_dtype(input.dtype)
    return in_wide(lambda wide: jnp.prod(wide, axis, dtype=kind, keepdims=keepdim), input)


# Means and variances ------------------------------------------------------------------------------


def _averageable(input, dtype):
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(mean_error("Optional dtype", dtype.jax))
    if dtype is None and kind_of(input) < FLOATING:
        raise RuntimeError(mean_error("Input dtype", input.dtype))
    return to_dtype(input, dtype)


def mean_error(which: str, kind) -> str:
    return (
        f"mean(): could not infer output dtype. {which} must be either a floating point or complex "
        f"dtype. Got: {scalar_name(kind)}"
    )


@op(function=False, method=False, name="mean", grad="MeanBackward0")
def mean_all(input: Array, dtype: Dtype | None):
    """The mean of all elements."""
    return averaged(_averageable(input, dtype))


@op(function=False, method=False, name="mean", grad="MeanBackward1")
def mean_over(input: Array, dim: int | tuple[int, ...] | None, keepdim: bool, dtype: Dtype | None):
    """The mean over some dimensions."""
    input = _averageable(input, dtype)
    return averaged(input, normalize_dims(dim, input.ndim), keepdim)


@composite
def mean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The mean of all elements, or over some dimensions.

    Example:
        >>> x = kuai.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.mean(), x.mean(dim=0)
        (tensor(2.5000), tensor([2., 3.]))
    """
    if dim is None and not keepdim:
        return call(mean_all, out, input, dtype)
    return call(mean_over, out, input, dim, keepdim, dtype)


@op
def nanmean(
    input: Array,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
):
    """The mean of the elements that are not NaN.

    Example:
        >>> kuai.nanmean(kuai.tensor([1.0, float("nan"), 3.0]))
        tensor(2.)
    """
    if kind_of(input) < FLOATING:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{scalar_name(input.dtype)}"
        )
    if kind_of(input) == COMPLEX:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    input = to_dtype(input, dtype)
    axis, missing = normalize_dims(dim, input.ndim), jnp.isnan(input)
    total = summed(widened(jnp.where(missing, 0, input)), axis, keepdim)
    count = jnp.sum(~missing, axis, keepdims=keepdim).astype(total.dtype)
    return (total / count).astype(input.dtype)


def variance(input, dim, correction, keepdim, name="std and var"):
    """Sum of squared distances from the mean over max(0, count - correction), and the mean."""
    if kind_of(input) < FLOATING:
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    axis, input = normalize_dims(dim, input.ndim), widened(input)
    center = jnp.mean(input, axis, dtype=input.dtype, keepdims=keepdim)
    return _spread_of(input, axis, size_of(input.shape, axis) - correction, keepdim), center


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _spread_of(input, axis, freedom, keepdim):
    """The sum of squared distances over the degrees of freedom, if there are any.

    The derivative is that by the distances alone: moving the mean changes nothing. So it is finite,
    or infinite, wherever its element's distance is.
    """
    distance = _from_mean(input, axis)
    squares = jnp.square(magnitude(distance)) if kind_of(input) == COMPLEX else distance * distance
    total = jnp.sum(squares, axis, dtype=squares.dtype, keepdims=keepdim)
    return total / jnp.asarray(max(0, freedom), squares.dtype)


@_spread_of.defjvp
def _spread_of_jvp(axis, freedom, keepdim, primals, tangents):
    (input,), (change,) = primals, tangents
    distance = _from_mean(input, axis)
    is_complex = kind_of(input) == COMPLEX
    changes = (jnp.conj(distance) * change).real if is_complex else distance * change
    total = jnp.sum(changes, axis, dtype=changes.dtype, keepdims=keepdim)
    factor = 2 / freedom if freedom else math.inf
    return _spread_of(input, axis, freedom, keepdim), total * jnp.asarray(factor, total.dtype)


def _from_mean(input, axis):
    return input - jnp.mean(input, axis, dtype=input.dtype, keepdims=True)


@op(function=False, method=False, name="var", grad="VarBackward0")
def var_over(input: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool):
    """The variance over some dimensions."""
    return _rounded(variance(input, dim, correction, keepdim)[0], input)


@op(function=False, method=False, name="std", grad="StdBackward0")
def std_over(input: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool):
    """The standard deviation over some dimensions."""
    return _rounded(safe_sqrt(variance(input, dim, correction, keepdim)[0]), input)


@op(function=False, method=False, name="var_mean", grad="VarMeanBackward0")
def var_mean_over(
    input: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool
):
    """The variance and the mean over some dimensions."""
    squares, center = variance(input, dim, correction, keepdim, "var_mean")
    return _rounded(squares, input), center.astype(input.dtype)


@op(function=False, method=False, name="std_mean", grad="StdMeanBackward0")
def std_mean_over(
    input: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool
):
    """The standard deviation and the mean over some dimensions."""
    squares, center = variance(input, dim, correction, keepdim, "std_mean")
    return _rounded(safe_sqrt(squares), input), center.astype(input.dtype)


def _rounded(made, input):
    """A variance has the input's precision, and is real for complex numbers, too."""
    return made if kind_of(input) == COMPLEX else made.astype(input.dtype)


def _warn_of_too_few(name, input, dim, correction):
    """PyTorch's warning where N - correction is not positive."""
    shape = input.shape or (1,)
    dims = range(len(shape)) if dim in (None, (), []) else (dim,) if isinstance(dim, int) else dim
    if {*dims} - {*range(-len(shape), len(shape))}:
        return  # an error follows
    if 0 in shape or math.prod(shape[d] for d in dims) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            stacklevel=4,
        )


def _spread(operation, input, dim, unbiased, keepdim, correction, out=None):
    """`std(x, unbiased)` and `std(x, dim, unbiased, keepdim)` share their second place."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if isinstance(dim, Tensor):
        dim = int(dim)
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    _warn_of_too_few(operation.operation.name, input, dim, correction)
    return call(operation, out, input, dim, correction, keepdim)


@composite
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
    """The variance Σ(x - mean)² / max(0, N - correction), of all elements or over some dimensions.

    Args:
        correction: 1 unless given (`unbiased=False` is another way to say 0).

    Example:
        >>> kuai.tensor([1.0, 2.0, 3.0, 4.0]).var(), kuai.tensor([1.0, 3.0]).var(correction=0)
        (tensor(1.6667), tensor(1.))
    """
    return _spread(var_over, input, dim, unbiased, keepdim, correction, out)


@composite
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
    """The standard deviation, the root of `var`.

    Example:
        >>> kuai.tensor([[1.0, 3.0], [2.0, 2.0]]).std(dim=1)
        tensor([1.4142, 0.0000])
    """
    return _spread(std_over, input, dim, unbiased, keepdim, correction, out)


@composite(method=False)
def var_mean(
    input, dim=None, unbiased=None, keepdim=False, *, correction=None
) -> tuple[Tensor, Tensor]:
    """The variance and the mean, `(var, mean)`.

    Example:
        >>> kuai.var_mean(kuai.tensor([1.0, 3.0]))
        (tensor(2.), tensor(2.))
    """
    return _spread(var_mean_over, input, dim, unbiased, keepdim, correction)


@composite(method=False)
def std_mean(
    input, dim=None, unbiased=None, keepdim=False, *, correction=None
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean, `(std, mean)`.

    Example:
        >>> kuai.std_mean(kuai.tensor([1.0, 3.0]))
        (tensor(1.4142), tensor(2.))
    """
    return _spread(std_mean_over, input, dim, unbiased, keepdim, correction)


# Logarithms of sums -------------------------------------------------------------------------------


@op(autocast={"cuda": "float32"})
def logsumexp(input: Array, dim: int | tuple[int, ...] | None, keepdim: bool = False):
    """log Σ eˣ over some dimensions, without overflow on the way.

    Example:
        >>> kuai.logsumexp(kuai.tensor([[0.0, 0.0], [100.0, 0.0]]), dim=1)
        tensor([  0.6931, 100.0000])
    """
    input = floating(input)
    axis = normalize_dims(dim, input.ndim)
    return in_wide(lambda wide: _log_sum_exp(wide, axis, keepdim), input)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _log_sum_exp(input, axis, keepdim):
    return jax.scipy.special.logsumexp(input, axis=axis, keepdims=keepdim)


@_log_sum_exp.defjvp
def _log_sum_exp_jvp(axis, keepdim, primals, tangents):
    """The change is the mean weighted by eˣ / Σ eˣ; of nothing but -inf it is 0, and not nan."""
    total = _log_sum_exp(*primals, axis, True)
    weights = jnp.exp(primals[0] - jnp.where(total == -jnp.inf, 0, total))
    change = jnp.sum(weights * tangents[0], axis, keepdims=keepdim)
    return total if keepdim else jnp.squeeze(total, axis), change


# Truth --------------------------------------------------------------------------------------------


@op(function=False, method=False, name="all")
def all_over(input: Array, dim: int | tuple[int, ...] | None, keepdim: bool):
    """Whether all elements over some dimensions are non-zero."""
    return _truth(jnp.all, input, dim, keepdim)


@op(function=False, method=False, name="any")
def any_over(input: Array, dim: int | tuple[int, ...] | None, keepdim: bool):
    """Whether any element over some dimensions is non-zero."""
    return _truth(jnp.any, input, dim, keepdim)


def _truth(function, input, dim, keepdim):
    result = function(input != 0, normalize_dims(dim, input.ndim), keepdims=keepdim)
    return result.astype(jnp.uint8) if input.dtype == jnp.uint8 else result


def _check_truth(name, out) -> None:
    if out is not None and out.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(
            f"{name} only supports bool tensor for result, got: {scalar_name(out.dtype.jax)}"
        )


def _truth_for(out, input):
    """Bytes answer in bytes, unless the answer goes to a tensor of bools."""
    is_bool = out is not None and out.dtype.name == "bool"
    return input.bool() if is_bool and input.dtype.name == "uint8" else input


@composite
def all(input, dim=None, keepdim=False, *, out=None):
    """Whether all elements, of the tensor or over some dimensions, are non-zero.

    Example:
        >>> kuai.tensor([[True, False], [True, True]]).all(dim=1)
        tensor([False,  True])
    """
    if isinstance(dim, (tuple, list)) and not dim:
        input, dim, keepdim = input[None], 0, False
    _check_truth("all", out)
    return call(all_over, out, _truth_for(out, input), dim, keepdim)


@composite
def any(input, dim=None, keepdim=False, *, out=None):
    """Whether any element, of the tensor or over some dimensions, is non-zero.

    Example:
        >>> kuai.tensor([[True, False], [False, False]]).any(dim=1)
        tensor([ True, False])
    """
    if isinstance(dim, (tuple, list)) and not dim:
        input, dim, keepdim = input[None], 0, False
    _check_truth("any", out)
    return call(any_over, out, _truth_for(out, input), dim, keepdim)


@op(function=False, method=False, name="count_nonzero")
def count_over(input: Array, dim: int | tuple[int, ...] | None):
    """How many elements are non-zero over some dimensions."""
    return jnp.sum(input != 0, normalize_dims(dim, input.ndim), dtype=jnp.int64)


@composite
def count_nonzero(input, *dim):
    """How many elements are non-zero.

    Example:
        >>> kuai.count_nonzero(kuai.tensor([[0, 1], [2, 3]]), dim=0)
        tensor([1, 2])
    """
    return count_over(input, dim[0] if len(dim) == 1 else dim or None)


@op(autocast={"cpu": "float32"})
def trace(input: Array):
    """The sum of a matrix's diagonal.

    Example:
        >>> kuai.trace(kuai.tensor([[1, 2], [3, 4]]))
        tensor(5)
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    refuse("trace", input, BOOL)
    kind = jnp.int64 if kind_of(input) < FLOATING else input.dtype
    return in_wide(lambda wide: jnp.trace(wide, dtype=wide.dtype), input.astype(kind))
