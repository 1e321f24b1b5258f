"""Masked reductions: sum, mean, amax and their like."""

import math

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.concrete import is_concrete
from kuai.engine.tensor.dtypes import (
    bool_,
    dtype as _dtype,
    float32,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from kuai.engine.tensor.promotion import scalar_name
from kuai.masked.filling import Dims, all_dims, filled, highest, lowest, whole_mask
from kuai.ops.array.creation import ones_like
from kuai.ops.math.comparison import where
from kuai.ops.math.linalg import vector_norm

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]

_SMALL_INTEGERS = {uint8, bool_, int8, int16, int32}


def _sum_dtype(input, dtype):
    if dtype is not None:
        return dtype
    return int64 if input.dtype in _SMALL_INTEGERS else input.dtype


def sum(
    input: Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The sum of what counts; 0 where nothing does.

    Args:
        input: the values.
        dim: along which dimensions; default: all.
        keepdim: keep these dimensions, with size 1.
        dtype: that of the result; small integers give int64.
        mask: True where an element counts; broadcasts to the input.

    Example:
        >>> x = kuai.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> mask = kuai.tensor([[True, False, True], [False, False, False]])
        >>> kuai.masked.sum(x, 1, mask=mask)
        tensor([4., 0.])
    """
    dims = all_dims(dim, input.dim())
    result = filled(input, mask, 0).to(_sum_dtype(input, dtype))
    return result.sum(dims, keepdim=bool(keepdim)) if dims else result


def prod(
    input: Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The product of what counts; 1 where nothing does.

    Example:
        >>> kuai.masked.prod(kuai.tensor([2.0, 3.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(8.)
    """
    result = filled(input, mask, 1).to(_sum_dtype(input, dtype))
    for each in reversed(all_dims(dim, input.dim())):
        result = result.prod(dim=each, keepdim=bool(keepdim))
    return result


def amax(
    input: Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The largest of what counts; -inf, or the dtype's smallest number, where nothing does.

    Example:
        >>> kuai.masked.amax(kuai.tensor([2.0, 9.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(4.)
    """
    result = filled(input, mask, 0 if mask is None else lowest("amax", input))
    return result.amax(all_dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


def amin(
    input: Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The smallest of what counts; inf, or the dtype's largest number, where nothing does.

    Example:
        >>> kuai.masked.amin(kuai.tensor([2.0, 1.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(2.)
    """
    result = filled(input, mask, 0 if mask is None else highest("amin", input))
    return result.amin(all_dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The place of the largest of what counts, in the input's dtype.

    Example:
        >>> kuai.masked.argmax(kuai.tensor([2, 9, 4]), mask=kuai.tensor([True, False, True]))
        tensor(2)
    """
    result = filled(input, mask, 0 if mask is None else lowest("argmax", input))
    return result.argmax(dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The place of the smallest of what counts, in the input's dtype.

    Example:
        >>> kuai.masked.argmin(kuai.tensor([2, 1, 4]), mask=kuai.tensor([True, False, True]))
        tensor(0)
    """
    result = filled(input, mask, 0 if mask is None else highest("argmin", input))
    return result.argmin(dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input, dim, keepdim, mask):
    counted = ones_like(input, dtype=int64) if mask is None else whole_mask(input, mask)
    return sum(counted, dim, keepdim=keepdim)


def mean(
    input: Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The mean of what counts; nan where nothing does.

    Example:
        >>> kuai.masked.mean(kuai.tensor([2.0, 9.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(3.)
    """
    source = "Input" if dtype is None else "Optional"
    kind = input.dtype if dtype is None else dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating "
            f"point or complex dtype. Got: {kind}"
        )
    total = sum(input, dim, keepdim=keepdim, dtype=kind, mask=mask)
    return total / _count(input, dim, keepdim, mask)


def median(
    input: Tensor,
    dim: int = -1,
    *,
    keepdim: bool = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The median of what counts, the lower one of two; nan where nothing does.

    Example:
        >>> kuai.masked.median(kuai.tensor([2.0, 9.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(2.)
    """
    (place,) = all_dims(dim, input.dim())
    if input.dtype.is_floating_point:
        return filled(input, mask, math.nan).nanmedian(place, keepdim).values
    result = filled(input.to(float32), mask, math.nan).nanmedian(place, keepdim).values
    if is_concrete(result) and bool(result.isnan().any()):
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    return result.to(dtype or input.dtype)


def logsumexp(
    input: Tensor,
    dim: Dims = None,
    *,
    keepdim: bool = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """log Σ exp(x) over what counts; -inf where nothing does.

    Example:
        >>> kuai.masked.logsumexp(kuai.tensor([0.0, 9.0, 0.0]), 0,
        ...                       mask=kuai.tensor([True, False, True]))
        tensor(0.6931)
    """
    result = filled(input, mask, 0 if mask is None else lowest("logsumexp", input))
    return result.logsumexp(all_dims(dim, input.dim()), keepdim=keepdim).to(dtype or input.dtype)


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The norm (Σ |x|^ord)^(1/ord) of what counts.

    Example:
        >>> kuai.masked.norm(kuai.tensor([3.0, 9.0, 4.0]), 2, mask=kuai.tensor([True, False, True]))
        tensor(5.)
    """
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {scalar_name(input.dtype.jax)}"
        )
    result = filled(input, mask, math.inf if ord == -math.inf else 0)
    dims = all_dims(dim, input.dim())
    return vector_norm(result, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: int | float | None = None,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance of what counts.

    Args:
        input: the values.
        dim: along which dimensions; default: all.
        unbiased: divide by the count less 1, the default; or by the count.
        correction: divide by the count less this.
        keepdim: keep these dimensions, with size 1.
        dtype: that of the result.
        mask: True where an element counts.

    Example:
        >>> kuai.masked.var(kuai.tensor([2.0, 9.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(2.)
    """
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    less = (1.0 if unbiased is None or unbiased else 0.0) if correction is None else correction
    inexact = input.dtype.is_floating_point or input.dtype.is_complex
    kind = dtype or (input.dtype if inexact else float32)
    count = _count(input, dim, True, mask)
    centre = sum(input, dim, keepdim=True, dtype=kind, mask=mask) / count
    distance = (input if mask is None else where(whole_mask(input, mask), input, centre)) - centre
    total = sum(distance * distance.conj(), dim, keepdim=keepdim, dtype=kind)
    divisor = count.reshape(total.shape).to(kind.to_real()) - less
    return (total / divisor.clamp(min=0)).to(kind)


def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: int | None = None,
    keepdim: bool | None = False,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The standard deviation of what counts: the root of `var`.

    Example:
        >>> kuai.masked.std(kuai.tensor([2.0, 9.0, 4.0]), mask=kuai.tensor([True, False, True]))
        tensor(1.4142)
    """
    options = {"correction": correction, "keepdim": keepdim, "dtype": dtype, "mask": mask}
    return var(input, dim, unbiased, **options).sqrt()
