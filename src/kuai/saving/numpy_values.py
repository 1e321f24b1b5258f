"""NumPy's arrays and numbers in files: their bytes, their shape and one of a few element types.

Pickle has NumPy make them of a description and of bytes. Here each part of that is checked against
what NumPy itself writes before it is used; arrays of objects, of records and of texts do not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kuai.saving.refusals import Refused, exactly

__all__ = ["TYPES", "builders", "give_state", "names"]

_KINDS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
_DTYPES = {kind: np.dtype(kind) for kind in _KINDS}
#: The types of values that come from a file.
TYPES = (np.ndarray, *{each.type for each in _DTYPES.values()})
_MOST_DIMENSIONS = 64
_ARRAY = "numpy.ndarray"


def builders() -> dict[str, Callable[[tuple], Any]]:
    """The functions of NumPy that files call."""
    found: dict[str, Callable[[tuple], Any]] = {"numpy dtype": _dtype}
    for core in ("numpy._core", "numpy.core"):
        found[f"{core}.multiarray _reconstruct"] = _empty_array
        found[f"{core}.multiarray scalar"] = _number
    return found


def names(make_builder: Callable[[str, Callable], Any]) -> dict[str, Any]:
    """Names of NumPy's classes that files mention and do not call."""
    return {"numpy ndarray": make_builder(_ARRAY, lambda arguments: _wrong(_ARRAY))}


def give_state(target: Any, state: Any) -> None:
    """Give an array its values, or check that an element type is what it is."""
    state = exactly(state, tuple, "the state of a NumPy value")
    if isinstance(target, np.dtype):
        _check_state_of_dtype(target, state)
    else:
        _fill(target, state)


def _dtype(arguments: tuple) -> np.dtype:
    kind = arguments[0] if arguments else None
    if type(kind) is not str or kind not in _DTYPES or arguments[1:] not in ((False, True), (0, 1)):
        raise Refused(f"it has a NumPy array of elements that are no numbers ({kind!r:.20})")
    return _DTYPES[kind]


def _check_state_of_dtype(kind: np.dtype, state: tuple) -> None:
    order = "<" if kind.itemsize > 1 else "|"
    if state != (3, order, None, None, None, -1, -1, 0):
        raise Refused("it has a NumPy array from a big-endian machine, or of records")


def _empty_array(arguments: tuple) -> np.ndarray:
    if len(arguments) != 3 or getattr(arguments[0], "name", "") != _ARRAY:
        _wrong("numpy._core.multiarray._reconstruct")
    if arguments[1:] != ((0,), b"b"):
        _wrong("numpy._core.multiarray._reconstruct")
    return np.empty(0, np.int8)


def _fill(array: np.ndarray, state: tuple) -> None:
    if array.shape != (0,) or len(state) != 5:
        _wrong(_ARRAY)
    _, shape, kind, by_columns, content = state
    shape = exactly(shape, tuple, "the shape of a NumPy array")
    sizes = [exactly(size, int, "a size of a NumPy array") for size in shape]
    content = exactly(content, bytes, "the values of a NumPy array")
    exactly(by_columns, bool, "the order of a NumPy array")
    fits = len(sizes) <= _MOST_DIMENSIONS and min(sizes, default=0) >= 0
    if kind not in _DTYPES.values() or not fits:
        _wrong(_ARRAY)
    if math.prod(sizes) * kind.itemsize != len(content):
        raise Refused("a NumPy array has more or fewer values than its shape says")
    array.__setstate__((1, shape, kind, by_columns, content))


def _number(arguments: tuple) -> Any:
    if len(arguments) != 2 or arguments[0] not in _DTYPES.values():
        _wrong("numpy._core.multiarray.scalar")
    content = exactly(arguments[1], bytes, "a NumPy number")
    if len(content) != arguments[0].itemsize:
        _wrong("numpy._core.multiarray.scalar")
    return np.frombuffer(content, arguments[0])[0]


def _wrong(name: str) -> Any:
    raise Refused(f"{name} is called with other arguments than NumPy gives it")
