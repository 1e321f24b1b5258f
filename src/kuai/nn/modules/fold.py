"""Fold and Unfold: pictures as columns of sliding blocks, and back."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """Every block that a window covers, as a column.

    Args:
        kernel_size, dilation, padding, stride: one number, or one for height and one for width.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C·kH·kW, L)` or `(C·kH·kW, L)`.

    Example:
        >>> kuai.nn.Unfold(kernel_size=(2, 3))(kuai.ones(2, 5, 3, 4)).shape
        torch.Size([2, 30, 4])
    """

    _shown = (
        "kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
        "stride={self.stride}"
    )

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """The columns."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Module):
    """The sum of blocks, given as columns, at the places that `Unfold` takes them from.

    Args:
        output_size: height and width of the picture.
        kernel_size, dilation, padding, stride: as for `Unfold`.

    Shape:
        input `(N, C·kH·kW, L)` or `(C·kH·kW, L)`; output `(N, C, *output_size)` or
        `(C, *output_size)`.

    Example:
        >>> kuai.nn.Fold(output_size=(4, 5), kernel_size=(2, 2))(kuai.ones(1, 12, 12)).shape
        torch.Size([1, 3, 4, 5])
    """

    _shown = f"output_size={{self.output_size}}, {Unfold._shown}"

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """The pictures."""
        numbers = self.kernel_size, self.dilation, self.padding, self.stride
        return F.fold(input, self.output_size, *numbers)
