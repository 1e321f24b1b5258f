"""`kuai._tensor`: PyTorch's file of `Tensor`."""

from kuai.engine.tensor import Tensor

__all__ = ["Tensor"]
