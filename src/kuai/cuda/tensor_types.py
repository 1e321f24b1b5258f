"""`kuai.cuda.FloatTensor` and the like: tensors on a GPU by older names."""

from kuai.ops.array.sequences import TYPES, typed

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
]

FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor = (
    typed(name, TYPES[name], "cuda")
    for name in ("FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor")
)
LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor, BoolTensor = (
    typed(name, TYPES[name], "cuda")
    for name in ("LongTensor", "IntTensor", "ShortTensor", "CharTensor", "ByteTensor", "BoolTensor")
)
