"""Layers that turn channels into pixels, and back."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Every r² channels become one of r times the height and width.

    Example:
        >>> kuai.nn.PixelShuffle(3)(kuai.ones(1, 9, 4, 4)).shape
        torch.Size([1, 1, 12, 12])

    Reference: Shi et al., Real-time single image and video super-resolution, 2016.
    """

    _shown = "upscale_factor={self.upscale_factor}"

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The larger picture with fewer channels."""
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(Module):
    """Every r by r pixels become r² channels: the inverse of `PixelShuffle`.

    Example:
        >>> kuai.nn.PixelUnshuffle(3)(kuai.ones(1, 1, 12, 12)).shape
        torch.Size([1, 9, 4, 4])
    """

    _shown = "downscale_factor={self.downscale_factor}"

    def __init__(self, downscale_factor):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The smaller picture with more channels."""
        return F.pixel_unshuffle(input, self.downscale_factor)
