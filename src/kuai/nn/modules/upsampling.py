"""Layers that change the size of pictures or rearrange their channels."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = [
    "ChannelShuffle",
    "PixelShuffle",
    "PixelUnshuffle",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]


class Upsample(Module):
    """Makes signals, pictures or volumes larger (or smaller), as `nn.functional.interpolate` does.

    Args:
        size: the output's spatial size, or
        scale_factor: how many times larger it gets.
        mode: `'nearest'`, `'linear'`, `'bilinear'`, `'bicubic'` or `'trilinear'`.
        align_corners, recompute_scale_factor: as of `interpolate`.

    Example:
        >>> kuai.nn.Upsample(scale_factor=2)(kuai.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(
        self,
        size=None,
        scale_factor=None,
        mode="nearest",
        align_corners=None,
        recompute_scale_factor=None,
    ):
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input in its new size."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self):
        """What is printed between the parentheses."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Makes pictures larger by repeating pixels.

    Example:
        >>> kuai.nn.UpsamplingNearest2d(scale_factor=2)(kuai.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Makes pictures larger by bilinear interpolation, with the corner pixels kept in place.

    Example:
        >>> kuai.nn.UpsamplingBilinear2d(scale_factor=2)(kuai.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Every r² channels become one of r times the height and width.

    Example:
        >>> kuai.nn.PixelShuffle(3)(kuai.ones(1, 9, 4, 4)).shape
        torch.Size([1, 1, 12, 12])

    Reference: Shi et al., Real-time single image and video super-resolution, 2016.
    """

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The larger picture with fewer channels."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Every r by r pixels become r² channels: the inverse of `PixelShuffle`.

    Example:
        >>> kuai.nn.PixelUnshuffle(3)(kuai.ones(1, 1, 12, 12)).shape
        torch.Size([1, 9, 4, 4])
    """

    def __init__(self, downscale_factor):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The smaller picture with more channels."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Mixes the channels of groups: as a matrix with a row for each group, read by columns.

    Example:
        >>> kuai.nn.ChannelShuffle(2)(kuai.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])

    Reference: Zhang et al., ShuffleNet, 2018.
    """

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """The channels in their new order."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"groups={self.groups}"
