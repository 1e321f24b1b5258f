"""make_tensor: random tensors for tests."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.dtypes import dtype as _dtype, finfo, iinfo
from kuai.ops.array.creation import empty
from kuai.ops.array.random_values import randint
from kuai.ops.array.windows import view_as_complex
from kuai.ops.math.comparison import where

__all__ = ["make_tensor"]


def make_tensor(
    *shape: int | Sequence[int],
    dtype: _dtype,
    device,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format=None,
) -> Tensor:
    """Random numbers, uniform in [low, high).

    Args:
        shape: the shape, as integers or as a sequence.
        dtype: any dtype.
        device: where it is to be.
        low, high: the bounds; default: -9 and 9, for integers 10, for booleans 0 and 2.
        requires_grad: for floating point and complex numbers.
        noncontiguous: every second element of a larger tensor.
        exclude_zero: no zeros: the smallest positive number, or 1, instead.
        memory_format: has no effect; not with `noncontiguous`.

    Example:
        >>> made = kuai.testing.make_tensor(3, dtype=kuai.float32, device="cpu", low=-1, high=1)
        >>> made.shape, bool((made.abs() <= 1).all())
        (torch.Size([3]), True)
    """
    sizes = _sizes(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got {noncontiguous=!r} and {memory_format=!r}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, "
            f"but got {dtype=!r}"
        )
    is_spread = noncontiguous and math.prod(sizes) > 1
    drawn = (*sizes[:-1], 2 * sizes[-1]) if is_spread else sizes
    low, high = _bounds(low, high, dtype)
    if inexact:
        made = _uniform(drawn, low, high, dtype, device)
    else:
        made = randint(int(low), int(high), drawn, dtype=dtype, device=device)
    if is_spread:
        made = made[..., 1::2]
    if exclude_zero:
        smallest = finfo(dtype).tiny if inexact else 1
        made = where(made == 0, made.new_full((), smallest), made)
    return made.requires_grad_(requires_grad) if inexact else made


def _sizes(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape)


def _limits(dtype):
    """What the dtype holds, [lowest, highest), and the bounds where none are given."""
    if dtype is dtypes.bool_:
        return 0, 2, 0, 2
    if dtype.is_floating_point or dtype.is_complex:
        limits = finfo(dtype)
        return limits.min, limits.max, -9, 9
    limits = iinfo(dtype)
    return limits.min, limits.max + (dtype is not dtypes.int64), -9, 10


def _bounds(low, high, dtype):
    lowest, highest, default_low, default_high = _limits(dtype)
    low = default_low if low is None else low
    high = default_high if high is None else high
    inexact = dtype.is_floating_point or dtype.is_complex
    if any(isinstance(bound, float) and math.isnan(bound) for bound in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=!r} and {high=!r}")
    if low == high and inexact:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is "
            "deprecated since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{lowest}, {highest})"
        )
    low, high = (min(max(bound, lowest), highest) for bound in (low, high))
    return (low, high) if inexact else (math.ceil(low), math.ceil(high))


def _uniform(shape, low, high, dtype, device):
    if dtype.is_complex:
        pairs = _uniform((*shape, 2), low, high, dtype.to_real(), device)
        return view_as_complex(pairs).clone()
    made = empty(shape, dtype=dtype, device=device)
    if high - low >= finfo(dtype).max:  # the width would be infinite
        return made.uniform_(low / 2, high / 2).mul_(2)
    return made.uniform_(low, high)
