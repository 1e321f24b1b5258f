"""Shrinkage layers: activations that take small values to zero."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.module import Module

__all__ = ["Hardshrink", "Softshrink", "Tanhshrink"]


class Tanhshrink(Module):
    """x - tanh(x).

    Example:
        >>> kuai.nn.Tanhshrink()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.tanhshrink(input)


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    Example:
        >>> kuai.nn.Hardshrink()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"{self.lambd}"


class Softshrink(Module):
    """x moved towards 0 by lambd.

    Example:
        >>> kuai.nn.Softshrink()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"{self.lambd}"
