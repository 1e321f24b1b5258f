"""Nested lists, numbers and arrays as one NumPy array, and PyTorch's errors for what is none.

NumPy converts; what it cannot convert is looked at in `nested_faults`, loaded when needed.
"""

import numpy as np

from kuai.engine.tensor import Tensor, dtypes
from kuai.ops import array as rooms

__all__ = ["array_of", "kind_of", "kinds_of", "supported"]

_FLOATS = (float, np.floating)
_ODD = ValueError("could not determine the shape of object type 'list'")


def array_of(data, dtype=None) -> np.ndarray:
    """The values, in PyTorch's dtype for them.

    Where another dtype is asked for, Python's floats are not rounded to the default one before.
    """
    if isinstance(data, np.ndarray | np.generic):
        return supported(np.asarray(data))
    if isinstance(data, float):
        return _as_default(np.asarray(data), dtype)
    kinds = kinds_of(data) if isinstance(data, (list, tuple)) else {type(data)}
    with_tensors = any(issubclass(kind, Tensor) for kind in kinds)
    plain = _plain(data) if with_tensors else data
    only = with_tensors and np.ndarray not in kinds
    if only and (fault := rooms.nested_faults.fault(data, dtype)) is not None:
        raise fault
    try:
        array = np.asarray(plain)
    except ValueError as error:
        raise rooms.nested_faults.fault(data, dtype) or error from error
    if array.dtype == object:
        array = _of_large_numbers(data, kinds, dtype)
    if array.dtype.kind in "US" or _overflows(array, kinds, dtype):
        raise rooms.nested_faults.fault(data, dtype) or _ODD
    if array.dtype.kind in "fc":
        return _rounded(array, data, kinds, dtype)
    return array


def supported(array: np.ndarray) -> np.ndarray:
    """The array, if there is a dtype for it."""
    try:
        if array.dtype.kind in "mM":
            raise TypeError
        dtypes.from_jax(array.dtype)
    except TypeError:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only "
            "supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
            "int16, int8, uint64, uint32, uint16, uint8, and bool."
        ) from None
    return array


def kinds_of(data) -> set[type]:
    """The types of what nested lists hold."""
    found = set(map(type, data))
    if not any(issubclass(kind, (list, tuple)) for kind in found):
        return found
    inner = [kinds_of(item) if isinstance(item, (list, tuple)) else {type(item)} for item in data]
    return set().union(*inner)


def _plain(data):
    """Tensors in lists are numbers: each has one element, whatever its shape."""
    if isinstance(data, Tensor):
        return data.item() if data.numel() == 1 else data.tolist()
    return [_plain(item) for item in data] if isinstance(data, (list, tuple)) else data


def _as_default(array, dtype):
    """Python's floats in the default dtype, unless another one is asked for."""
    with np.errstate(over="ignore"):
        return array.astype(dtypes.default_float_jax()) if dtype is None else array


def _rounded(array, data, kinds, dtype):
    """Floats and complex numbers in the dtype that is inferred: NumPy's numbers keep theirs."""
    if any(issubclass(kind, np.ndarray) for kind in kinds):
        return array if isinstance(_first(data), np.ndarray) else _as_default(array, dtype)
    if array.dtype.kind == "c":
        theirs = any(issubclass(kind, np.generic) for kind in kinds)
        wanted = dtypes.get_default_dtype().to_complex().jax
        with np.errstate(over="ignore"):
            return array if theirs or dtype is not None else array.astype(wanted)
    if not any(issubclass(kind, np.generic) for kind in kinds):
        return _as_default(array, dtype)
    theirs = [kind for kind in kinds if issubclass(kind, np.floating)]
    own = [dtypes.default_float_jax()] if float in kinds else []
    return array if dtype is not None else array.astype(np.result_type(*theirs, *own))


def _first(data):
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _of_large_numbers(data, kinds, dtype):
    """Integers beyond 64 bits are numbers where floats are asked for."""
    numbers = all(issubclass(kind, (int, float, complex, np.number)) for kind in kinds)
    kind = kind_of(kinds, dtype)
    if not numbers or kind not in "fc" or (kind == "f" and complex in kinds):
        raise rooms.nested_faults.fault(data, dtype) or _ODD
    return np.array(data, np.float64 if kind == "f" else np.complex128)


def _overflows(array, kinds, dtype) -> bool:
    """Whether NumPy took an unsigned type for Python's integers that PyTorch does not take."""
    if array.dtype != np.uint64 or any(issubclass(kind, np.generic) for kind in kinds):
        return False
    wanted = None if dtype is None else dtypes.to_jax(dtype)
    return wanted is None or (wanted.kind in "iu" and wanted != np.uint64)


def kind_of(kinds, dtype) -> str:
    """NumPy's letter for the kind of number that is asked for, or that the items make."""
    if dtype is not None:
        kind = dtypes.to_jax(dtype).kind
        return "f" if kind == "V" else kind  # bfloat16 and the like
    if any(issubclass(kind, complex) for kind in kinds):
        return "c"
    return "f" if any(issubclass(kind, (*_FLOATS, Tensor)) for kind in kinds) else "i"
