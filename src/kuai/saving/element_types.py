"""How PyTorch's files name element types: by the class of the storage they lie in.

Newer types have no such class. Their bytes lie in an `UntypedStorage`; the tensor says the type.
"""

from kuai.engine.tensor import dtypes

__all__ = ["DTYPE_OF_STORAGE", "STORAGE_OF_DTYPE", "UNTYPED"]

UNTYPED = "UntypedStorage"
DTYPE_OF_STORAGE = {
    "DoubleStorage": dtypes.float64,
    "FloatStorage": dtypes.float32,
    "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16,
    "LongStorage": dtypes.int64,
    "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16,
    "CharStorage": dtypes.int8,
    "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool_,
    "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
}
STORAGE_OF_DTYPE = {dtype: name for name, dtype in DTYPE_OF_STORAGE.items()}
