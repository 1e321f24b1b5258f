"""`kuai._dynamo.eval_frame`: the class of compiled modules in PyTorch."""

from kuai.nn.base.module import Module

__all__ = ["OptimizedModule"]


class OptimizedModule(Module):
    """What `compile` wraps a module in, in PyTorch; here a compiled module is the module itself."""
