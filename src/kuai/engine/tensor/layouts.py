"""Layouts: the sizes, strides and offset PyTorch would report for a tensor.

XLA arrays have no strides a user could see. What PyTorch says about a view follows from the steps
that lead to it, so it is worked out from them when someone asks; nothing is computed with it. A
tensor that is no view counts as contiguous.
"""

import math
from typing import NamedTuple

import numpy as np

from kuai.engine.tensor.storage import resolve

__all__ = ["Layout", "contiguous_strides", "layout_of", "merged_strides", "overlaps"]


class Layout(NamedTuple):
    """Sizes, strides and offset, counted in elements."""

    shape: tuple
    strides: tuple
    offset: int = 0

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie one after the other in the order of the indices."""
        if 0 in self.shape:
            return True
        expected = contiguous_strides(self.shape)
        triples = zip(self.shape, self.strides, expected, strict=True)
        return all(size == 1 or stride == wanted for size, stride, wanted in triples)


def contiguous_strides(shape) -> tuple:
    """The strides of a tensor that was made with this shape.

    Example:
        >>> contiguous_strides((2, 3, 4))
        (12, 4, 1)
    """
    strides = [1] * len(shape)
    for dim in range(len(shape) - 2, -1, -1):
        strides[dim] = strides[dim + 1] * max(shape[dim + 1], 1)
    return tuple(strides)


def layout_of(tensor) -> Layout:
    """The layout PyTorch would give this tensor."""
    shape = tuple(resolve(tensor._storage).outline.shape)
    layout = Layout(shape, contiguous_strides(shape))
    for step in tensor._steps or ():
        layout = step.view.layout(layout, step.static, step.numbers)
    return layout


def is_contiguous(tensor) -> bool:
    """Whether the tensor counts as contiguous."""
    return tensor._steps is None or layout_of(tensor).is_contiguous


def overlaps(layout: Layout) -> bool:
    """Whether two elements have the same place in memory.

    Example:
        >>> overlaps(Layout((2, 3), (3, 1))), overlaps(Layout((2, 3), (2, 1)))
        (False, True)
    """
    if 0 in layout.shape:
        return False
    reach = 0
    for stride, size in sorted(zip(layout.strides, layout.shape, strict=True)):
        if size > 1:
            if stride <= reach:
                break
            reach += stride * (size - 1)
    else:
        return False
    places = np.zeros((), np.int64)
    for size, stride in zip(layout.shape, layout.strides, strict=True):
        places = places[..., None] + stride * np.arange(size)
    return np.unique(places).size < places.size


def merged_strides(layout: Layout, shape) -> tuple | None:
    """The strides with which the same memory has another shape, or None if it cannot be.

    Neighbouring dimensions can be regrouped as long as they lie behind each other without a gap.
    """
    if math.prod(shape) == 0 or not layout.shape:
        return layout.strides if tuple(shape) == layout.shape else contiguous_strides(shape)
    strides = [0] * len(shape)
    position = len(shape) - 1
    run, innermost = 1, layout.strides[-1]
    for dim in range(len(layout.shape) - 1, -1, -1):
        run *= layout.shape[dim]
        outer = dim - 1
        joins = dim > 0 and (layout.shape[outer] == 1 or layout.strides[outer] == run * innermost)
        if joins:
            continue
        filled = 1
        while position >= 0 and (filled != run or shape[position] == 1):
            strides[position] = filled * innermost
            filled *= shape[position]
            position -= 1
        if filled != run:
            return None
        if dim > 0:
            run, innermost = 1, layout.strides[outer]
    return tuple(strides) if position < 0 else None
