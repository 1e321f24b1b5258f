"""What stands in for elements that do not count: the identity of each operation."""

import math

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import bool_, iinfo
from kuai.ops.math.comparison import where

__all__ = ["Dims", "all_dims", "filled", "highest", "lowest", "whole_mask"]

Dims = int | tuple[int, ...] | list[int] | None


def all_dims(dim: Dims, count: int) -> tuple[int, ...]:
    """Dimensions as nonnegative numbers in order; None and () are all of them."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(count))
    count = max(count, 1)
    found: list[int] = []
    for each in (dim,) if isinstance(dim, int) else dim:
        if each in found:
            raise RuntimeError(f"dim={each} appears multiple times in the list of dims")
        if not -count <= each < count:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], "
                f"but got {each})"
            )
        found.append(each % count)
    return tuple(sorted(found))


def whole_mask(input: Tensor, mask: Tensor) -> Tensor:
    """A mask in the shape of the input."""
    if mask.dim() > input.dim():
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the "
            "input)"
        )
    return mask.broadcast_to(input.shape).to(bool_)


def filled(input: Tensor, mask: Tensor | None, value: float) -> Tensor:
    """The input with a value where the mask is False."""
    if mask is None:
        return input
    return where(whole_mask(input, mask), input, input.new_full((), value))


def _refuse_unordered(name: str, input: Tensor) -> None:
    if input.dtype is bool_ or input.dtype.is_complex:
        raise NotImplementedError(f"identity of {name} on {input.dtype} input")


def lowest(name: str, input: Tensor) -> float:
    """What is below everything else."""
    if name == "logsumexp" and input.dtype.is_complex:
        return -math.inf
    _refuse_unordered(name, input)
    return -math.inf if input.dtype.is_floating_point else iinfo(input.dtype).min


def highest(name: str, input: Tensor) -> float:
    """What is above everything else."""
    _refuse_unordered(name, input)
    return math.inf if input.dtype.is_floating_point else iinfo(input.dtype).max
