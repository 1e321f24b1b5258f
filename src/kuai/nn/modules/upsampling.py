"""Layers that change the size of signals, pictures and volumes."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = [
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
