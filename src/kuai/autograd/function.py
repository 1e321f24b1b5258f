"""`kuai.autograd.function`: PyTorch's file of `Function`."""

from kuai.engine.autograd.function import Function, FunctionContext, once_differentiable

FunctionCtx = FunctionContext

__all__ = ["Function", "FunctionContext", "FunctionCtx", "once_differentiable"]
