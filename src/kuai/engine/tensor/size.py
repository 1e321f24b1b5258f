"""Size: the shape of a tensor."""

import math
import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex, overload

from jax.export import is_symbolic_dim

__all__ = ["Size", "whole"]


def whole(size: Any) -> Any:
    """A size as an integer; one that an exported program leaves open stays a symbol."""
    if type(size) is int or is_symbolic_dim(size):
        return size
    if isinstance(size, bool):
        raise TypeError("a size is a whole number, not a bool")
    return operator.index(size)


def _whole(size, place: int):
    if isinstance(size, (float, complex, str, bytes, type(None))):
        raise TypeError(
            f"torch.Size() takes an iterable of 'int' (item {place} is '{type(size).__name__}')"
        )
    return operator.index(size) if hasattr(size, "__index__") else size


class Size(tuple[int, ...]):
    """A tensor's shape: a tuple of integers that prints and counts as PyTorch's does.

    Example:
        >>> kuai.zeros(2, 3).shape
        torch.Size([2, 3])
        >>> kuai.zeros(2, 3).shape.numel()
        6
    """

    __slots__ = ()

    def __new__(cls, iterable: Iterable = ()):
        """From sizes one by one, which may be 0-d tensors and NumPy's integers."""
        given = tuple(iterable)
        for place, size in enumerate(given):
            if type(size) is not int:
                given = (*given[:place], _whole(size, place), *given[place + 1 :])
        return tuple.__new__(cls, given)

    def numel(self) -> int:
        """The number of elements a tensor of this shape has."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> "Size": ...
    def __getitem__(self, index):
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other):
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times):
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self):
        return (Size, (tuple(self),))
