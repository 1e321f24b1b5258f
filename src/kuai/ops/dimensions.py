"""Dimensions and shapes: what every family of operations asks about them, with PyTorch's answers.

The functions here look at Python integers only; they run while an operation is traced and cost
nothing afterwards.
"""

import operator
from collections.abc import Sequence
from typing import Any

Shape = tuple[int, ...]


def each(value: Any, dims: int) -> tuple:
    """A number for each dimension, from one for all of them or from as many as there are.

    Example:
        >>> each(3, 2), each([3, 4], 2)
        ((3, 3), (3, 4))
    """
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims


def each_expanded(value, dims: int) -> tuple:
    """As `each`, and a list of one number counts as that number, as in PyTorch's operations.

    Example:
        >>> each_expanded([3], 2)
        (3, 3)
    """
    values = each(value, 1)
    return values * dims if len(values) == 1 else values


def normalize_dim(dim: int, ndim: int) -> int:
    """The dimension counted from the front; a 0-d tensor has dimension 0 and -1, as in PyTorch.

    Example:
        >>> normalize_dim(-1, 3)
        2
    """
    if type(dim) is not int:
        try:
            if isinstance(dim, bool):
                raise TypeError
            dim = operator.index(dim)
        except TypeError:
            raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}") from None
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], "
            f"but got {dim})"
        )
    return dim % size


def normalize_dims(dims: int | Sequence[int] | None, ndim: int) -> Shape:
    """The dimensions counted from the front, in the order given; None and () mean all of them.

    Example:
        >>> normalize_dims((-1, 0), 3), normalize_dims(None, 2)
        ((2, 0), (0, 1))
    """
    if dims is None:
        return tuple(range(ndim))
    row: Any = dims if isinstance(dims, (tuple, list)) else (dims,)
    if not row:
        return tuple(range(ndim))
    wanted = tuple(normalize_dim(dim, ndim) for dim in row)
    for position, dim in enumerate(wanted):
        if dim in wanted[:position]:
            raise RuntimeError(f"dim {dim} appears multiple times in the list of dims")
    return wanted if ndim else ()


def broadcast_shapes(*shapes: Sequence[int]) -> Shape:
    """The shape several tensors have after broadcasting against each other.

    Example:
        >>> broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    result: Shape = ()
    for shape in shapes:
        result = _broadcast_pair(result, tuple(shape))
    return result


def _broadcast_pair(first: Shape, second: Shape) -> Shape:
    ndim = max(len(first), len(second))
    padded_first = (1,) * (ndim - len(first)) + first
    padded_second = (1,) * (ndim - len(second)) + second
    sizes = list(padded_first)
    for dim in reversed(range(ndim)):
        a, b = padded_first[dim], padded_second[dim]
        if a != b and 1 not in (a, b):
            raise RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) "
                f"at non-singleton dimension {dim}"
            )
        sizes[dim] = b if a == 1 else a
    return tuple(sizes)


def size_of(shape: Sequence[int], dims: Sequence[int]) -> int:
    """How many elements the given dimensions of a shape hold together.

    Example:
        >>> size_of((2, 3, 4), (0, 2))
        8
    """
    total = 1
    for dim in dims:
        total *= shape[dim]
    return total


def without_dims(shape: Sequence[int], dims: Sequence[int], keepdim: bool) -> Shape:
    """The shape after reducing some (normalised) dimensions.

    Example:
        >>> without_dims((2, 3, 4), (1,), keepdim=True), without_dims((2, 3, 4), (1,), False)
        ((2, 1, 4), (2, 4))
    """
    if keepdim:
        return tuple(1 if dim in dims else size for dim, size in enumerate(shape))
    return tuple(size for dim, size in enumerate(shape) if dim not in dims)
