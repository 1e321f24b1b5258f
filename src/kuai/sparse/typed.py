"""`torch.sparse.FloatTensor` and its like: how sparse tensors were made before, and still are."""

from kuai.engine.tensor import Tensor, dtypes
from kuai.sparse.coo import CooTensor, empty_coo, sparse_coo_tensor

__all__ = ["BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor"]
__all__ += ["HalfTensor", "IntTensor", "LongTensor", "ShortTensor"]


class _Kind(type):
    """The class of a class of tensors that is known by its layout and dtype."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, instance) -> bool:
        return isinstance(instance, CooTensor) and instance.dtype is cls.dtype


def _typed(name, dtype):
    def make(cls, *args, device=None):
        if not args:
            return empty_coo((0,), 1, dtype, device)
        if isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args, device=device)
        sizes = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        return empty_coo(sizes, dtype=dtype, device=device)

    text = f"A sparse tensor of {dtype}: `{name}(indices, values, size)`, or of a size alone."
    members = {"__new__": make, "__doc__": text, "__module__": "kuai.sparse", "dtype": dtype}
    return _Kind(name, (), members)


FloatTensor = _typed("FloatTensor", dtypes.float32)
DoubleTensor = _typed("DoubleTensor", dtypes.float64)
HalfTensor = _typed("HalfTensor", dtypes.float16)
BFloat16Tensor = _typed("BFloat16Tensor", dtypes.bfloat16)
ByteTensor = _typed("ByteTensor", dtypes.uint8)
CharTensor = _typed("CharTensor", dtypes.int8)
ShortTensor = _typed("ShortTensor", dtypes.int16)
IntTensor = _typed("IntTensor", dtypes.int32)
LongTensor = _typed("LongTensor", dtypes.int64)
