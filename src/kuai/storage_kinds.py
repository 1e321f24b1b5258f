"""`kuai.FloatStorage` and the like: storages that are made of numbers."""

from typing import Any

from kuai.engine.tensor import dtypes
from kuai.storage import TypedStorage

__all__ = [
    "BFloat16Storage",
    "BoolStorage",
    "ByteStorage",
    "CharStorage",
    "ComplexDoubleStorage",
    "ComplexFloatStorage",
    "DoubleStorage",
    "FloatStorage",
    "HalfStorage",
    "IntStorage",
    "LongStorage",
    "ShortStorage",
    "Storage",
]


def _of_kind(name: str, kind: dtypes.dtype) -> Any:
    return type(name, (TypedStorage,), {"_kind": kind, "__doc__": f"Elements of {kind}."})


BFloat16Storage = _of_kind("BFloat16Storage", dtypes.bfloat16)
BoolStorage = _of_kind("BoolStorage", dtypes.bool_)
ByteStorage = _of_kind("ByteStorage", dtypes.uint8)
CharStorage = _of_kind("CharStorage", dtypes.int8)
ComplexDoubleStorage = _of_kind("ComplexDoubleStorage", dtypes.complex128)
ComplexFloatStorage = _of_kind("ComplexFloatStorage", dtypes.complex64)
DoubleStorage = _of_kind("DoubleStorage", dtypes.float64)
FloatStorage = _of_kind("FloatStorage", dtypes.float32)
HalfStorage = _of_kind("HalfStorage", dtypes.float16)
IntStorage = _of_kind("IntStorage", dtypes.int32)
LongStorage = _of_kind("LongStorage", dtypes.int64)
ShortStorage = _of_kind("ShortStorage", dtypes.int16)
#: That of the default dtype.
Storage = FloatStorage
