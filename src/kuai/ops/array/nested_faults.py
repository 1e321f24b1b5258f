"""What PyTorch says of data that is no tensor.

It looks at the sizes, by the first items, then infers the dtype, then takes the values.
"""

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, dtypes
from kuai.ops.array.nested import kind_of, kinds_of

__all__ = ["fault"]

_SEQUENCES = (list, tuple, range, np.ndarray)


def fault(data, dtype) -> Exception | None:
    """What PyTorch raises for data that is no tensor; None where it is one to PyTorch."""
    if isinstance(data, (str, bytes)):
        return TypeError(f"new(): invalid data type '{type(data).__name__}'")
    sizes, level = [], data
    while isinstance(level, _SEQUENCES):
        sizes.append(len(level))
        if not sizes[-1]:
            break
        level = level[0]
    if isinstance(level, str):
        return ValueError("too many dimensions 'str'")
    found = _uninferable(data) if dtype is None else None
    if found is None:
        found = _misfit(data, sizes, 0, _letter(data, dtype))
    return found


def _letter(data, dtype) -> str:
    """The kind of number that is asked for; U is uint64, which PyTorch treats by itself."""
    if dtype is not None and dtypes.to_jax(dtype) == np.uint64:
        return "U"
    return kind_of(kinds_of(data) if isinstance(data, (list, tuple)) else set(), dtype)


def _uninferable(item) -> Exception | None:
    if isinstance(item, (str, bytes)):
        return TypeError(f"new(): invalid data type '{type(item).__name__}'")
    if isinstance(item, _SEQUENCES):
        return next(filter(None, map(_uninferable, item)), None)
    if isinstance(item, (int, float, complex, np.number, np.bool_, Tensor)):
        return None
    return RuntimeError(f"Could not infer dtype of {type(item).__name__}")


def _misfit(item: Any, sizes: list[int], dim: int, letter: str) -> Exception | None:
    """The first item that is not what the sizes say, or no number of the kind."""
    if dim == len(sizes):
        return _no_number(item, letter)
    if not isinstance(item, _SEQUENCES):
        return TypeError("not a sequence")
    if len(item) != sizes[dim]:
        return ValueError(
            f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(item)})"
        )
    return next(filter(None, (_misfit(each, sizes, dim + 1, letter) for each in item)), None)


def _no_number(item: Any, letter: str) -> Exception | None:
    name = type(item).__name__
    if isinstance(item, Tensor):
        return _no_single(item, letter)
    if letter == "U":
        if not isinstance(item, int):
            return TypeError("an integer is required")
        if item < 0:
            return OverflowError("can't convert negative int to unsigned")
        return OverflowError("int too big to convert") if item >= 1 << 64 else None
    if letter in "iu":
        if not isinstance(item, (int, float, np.number)):
            return TypeError(f"'{name}' object cannot be interpreted as an integer")
        return None if abs(item) < 1 << 63 else ValueError("Overflow when unpacking long long")
    real = not isinstance(item, (complex, np.complexfloating)) or letter == "c"
    if letter == "b" or (real and isinstance(item, (int, float, complex, np.number))):
        return None
    return TypeError(f"must be real number, not {name}")


def _no_single(item: Tensor, letter: str) -> Exception | None:
    if item.numel() == 1:
        return None
    if letter in "iu":
        return TypeError("only integer tensors of a single element can be converted to an index")
    return ValueError("only one element tensors can be converted to Python scalars")
