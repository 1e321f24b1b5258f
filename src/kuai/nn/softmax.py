"""Softmax layers: activations along one dimension."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.module import Module

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _OverDim(Module):
    """An activation along one dimension."""

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"dim={self.dim}"


class Softmax(_OverDim):
    """eˣ / Σ eˣ along `dim`.

    Example:
        >>> kuai.nn.Softmax(dim=1)(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_OverDim):
    """log softmax(x) along `dim`.

    Example:
        >>> kuai.nn.LogSoftmax(dim=1)(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(_OverDim):
    """softmax(-x) along `dim`.

    Example:
        >>> kuai.nn.Softmin(dim=1)(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of each place of an image.

    Example:
        >>> kuai.nn.Softmax2d()(kuai.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Softmax along the third dimension from the end."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3, _stacklevel=5)
