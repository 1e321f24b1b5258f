"""`kuai.autograd.function`: PyTorch's file of `Function`."""

from kuai.engine.autograd.function import (
    Function,
    FunctionContext,
    FunctionNode as BackwardCFunction,
    once_differentiable,
)
from kuai.engine.autograd.function_batching import VmapInfo

FunctionCtx = FunctionContext
FunctionMeta = type(Function)


class InplaceFunction(Function):
    """An older base class of functions; `mark_dirty` is what says that one works in place."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace


__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionContext",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "VmapInfo",
    "once_differentiable",
]
