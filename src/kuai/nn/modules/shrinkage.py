"""Shrinkage layers: activations that take small values to zero."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = ["Hardshrink", "Softshrink", "Tanhshrink"]


class Tanhshrink(Module):
    """What tanh takes away from a number.

        x − tanh(x)

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Tanhshrink()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-1.0360, -0.0379,  0.0000,  0.2384])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Hardshrink(Module):
    """Small numbers become zero, the others stay.

        x where |x| > lambd, 0 elsewhere

    Args:
        lambd: up to which size numbers are small.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Hardshrink()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-2.,  0.,  0.,  1.])

    Reference: Donoho & Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.
    """

    _shown = "{self.lambd}"

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)


class Softshrink(Module):
    """Every number moves towards zero, small ones all the way.

        x − lambd where x > lambd, x + lambd where x < −lambd, 0 elsewhere

    Args:
        lambd: by how much.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Softshrink()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-1.5000, -0.0000,  0.0000,  0.5000])

    Reference: Donoho & Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.
    """

    _shown = "{self.lambd}"

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)
