"""Masked operations that keep the shape: softmax, cumulative sums, normalisation."""

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import dtype as _dtype
from kuai.masked import reductions
from kuai.masked.filling import all_dims, filled, highest, lowest

__all__ = [
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "normalize",
    "softmax",
    "softmin",
]


def cumsum(
    input: Tensor,
    dim: int,
    *,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The sums of what counts, up to each element.

    Example:
        >>> kuai.masked.cumsum(kuai.tensor([1.0, 2.0, 4.0]), 0,
        ...                    mask=kuai.tensor([True, False, True]))
        tensor([1., 1., 5.])
    """
    (place,) = all_dims(dim, input.dim())
    return filled(input, mask, 0).cumsum(place, dtype=dtype or input.dtype)


def cumprod(
    input: Tensor,
    dim: int,
    *,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The products of what counts, up to each element.

    Example:
        >>> kuai.masked.cumprod(kuai.tensor([3.0, 2.0, 4.0]), 0,
        ...                     mask=kuai.tensor([True, False, True]))
        tensor([ 3.,  3., 12.])
    """
    (place,) = all_dims(dim, input.dim())
    return filled(input, mask, 1).cumprod(place, dtype=dtype or input.dtype)


def softmax(
    input: Tensor,
    dim: int,
    *,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """exp(x) divided by its sum over what counts; 0 where an element does not count.

    Example:
        >>> kuai.masked.softmax(kuai.tensor([1.0, 9.0, 1.0]), 0,
        ...                     mask=kuai.tensor([True, False, True]))
        tensor([0.5000, 0.0000, 0.5000])
    """
    (place,) = all_dims(dim, input.dim())
    inner = filled(input, mask, 0 if mask is None else lowest("amax", input))
    return inner.softmax(place, dtype=dtype or input.dtype)


def log_softmax(
    input: Tensor,
    dim: int,
    *,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The logarithm of `softmax`; -inf where an element does not count.

    Example:
        >>> kuai.masked.log_softmax(kuai.tensor([1.0, 9.0, 1.0]), 0,
        ...                         mask=kuai.tensor([True, False, True]))
        tensor([-0.6931,    -inf, -0.6931])
    """
    (place,) = all_dims(dim, input.dim())
    inner = filled(input, mask, 0 if mask is None else lowest("amax", input))
    return inner.log_softmax(place, dtype=dtype or input.dtype)


def softmin(
    input: Tensor,
    dim: int,
    *,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """`softmax` of -x.

    Example:
        >>> kuai.masked.softmin(kuai.tensor([1.0, 0.0, 1.0]), 0,
        ...                     mask=kuai.tensor([True, False, True]))
        tensor([0.5000, 0.0000, 0.5000])
    """
    (place,) = all_dims(dim, input.dim())
    inner = filled(input, mask, 0 if mask is None else highest("amin", input))
    return (-inner).softmax(place, dtype=dtype or input.dtype)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: _dtype | None = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """log(exp(x) + exp(y)), where what does not count adds nothing.

    Example:
        >>> kuai.masked.logaddexp(kuai.tensor([0.0, 1.0]), kuai.tensor([0.0, 3.0]),
        ...                       other_mask=kuai.tensor([True, False]))
        tensor([0.6931, 1.0000])
    """
    values = [
        filled(each, mask, 0 if mask is None else lowest("logaddexp", each))
        for each, mask in ((input, input_mask), (other, other_mask))
    ]
    return values[0].logaddexp(values[1]).to(dtype or input.dtype)


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: _dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """x / max(norm(x), eps) of what counts; 0 where an element does not.

    Example:
        >>> kuai.masked.normalize(kuai.tensor([3.0, 9.0, 4.0]), 2, 0,
        ...                       mask=kuai.tensor([True, False, True]))
        tensor([0.6000, 0.0000, 0.8000])
    """
    length = reductions.norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return filled(input, mask, 0) / length.clamp(min=eps)
