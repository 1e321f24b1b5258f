"""`kuai.autograd.variable`: the name that tensors had when only some of them had gradients."""

from kuai.engine.tensor import Tensor as Variable

__all__ = ["Variable"]
