"""Pooling layers: they have no parameters; each is one line on `ops.nn.pooling`."""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module
from kuai.nn.modules.unpooling import (
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
    _MaxUnpoolNd as _MaxUnpoolNd,
)
from kuai.ops.dimensions import each
from kuai.ops.nn import pooling

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Sizes = int | tuple[int, ...]


class _MaxPoolNd(Module):
    _shown = (
        "kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
        "dilation={self.dilation}, ceil_mode={self.ceil_mode}"
    )
    operation: Any

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self.operation(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window of a signal.

    Args: as `MaxPool2d`.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.MaxPool1d(2)(kuai.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[3., 2.]])
    """

    operation = staticmethod(pooling.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The largest element of each window of an image.

    Args:
        stride: how far apart the windows are; by default they lie side by side.
        return_indices: also return where in the plane each maximum lies.
        ceil_mode: keep a last window that does not fit whole.

    Shape: (N, C, H, W) or (C, H, W), with
        H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Example:
        >>> kuai.nn.MaxPool2d(2)
        MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    """

    operation = staticmethod(pooling.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The largest element of each window of a volume.

    Args: as `MaxPool2d`.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.MaxPool3d(2)(kuai.ones(1, 4, 4, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    operation = staticmethod(pooling.max_pool3d)


class _AvgPoolNd(Module):
    _shown = "kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(_AvgPoolNd):
    operation: Any

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self.operation(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of a signal.

    Args: as `AvgPool2d`, which has also a `divisor_override`.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.AvgPool1d(2)
        AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        self.kernel_size = each(kernel_size, 1)
        self.stride = each(kernel_size if stride is None else stride, 1)
        self.padding = each(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        numbers = (self.kernel_size, self.stride, self.padding)
        return pooling.avg_pool1d(input, *numbers, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of each window of an image.

    Args:
        stride: how far apart the windows are; by default they lie side by side.
        ceil_mode: keep a last window that does not fit whole.
        count_include_pad: divide by the window's size even where it covers padding.
        divisor_override: divide by this number instead.

    Shape: (N, C, H, W) or (C, H, W), with H' = floor((H + 2 padding - kernel) / stride) + 1.

    Example:
        >>> kuai.nn.AvgPool2d(kernel_size=2, stride=2)
        AvgPool2d(kernel_size=2, stride=2, padding=0)
    """

    operation = staticmethod(pooling.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of a volume.

    Args: as `AvgPool2d`.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.AvgPool3d(2)(kuai.ones(1, 4, 4, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    operation = staticmethod(pooling.avg_pool3d)


class _AdaptiveAvgPoolNd(Module):
    _shown = "output_size={self.output_size}"
    operation: Any

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self.operation(input, self.output_size)


class _AdaptiveMaxPoolNd(Module):
    _shown = "output_size={self.output_size}"
    operation: Any

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Tensor:
        return self.operation(input, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows that cover a signal.

    Args:
        output_size: a number.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.AdaptiveAvgPool1d(3)(kuai.ones(1, 5, 7)).shape
        torch.Size([1, 5, 3])
    """

    operation = staticmethod(pooling.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows that cover a image.

    Args:
        output_size: a number or one for each dimension, None for one as large as the input.

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.AdaptiveAvgPool2d((2, None))(kuai.ones(1, 5, 7)).shape
        torch.Size([1, 2, 7])
    """

    operation = staticmethod(pooling.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows that cover a volume.

    Args:
        output_size: a number or one for each dimension, None for one as large as the input.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.AdaptiveAvgPool3d(2)(kuai.ones(1, 5, 7, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    operation = staticmethod(pooling.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest element of each of `output_size` windows that cover a signal.

    Args:
        output_size: a number.
        return_indices: also return where each maximum lies.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.AdaptiveMaxPool1d(3)(kuai.ones(1, 5, 7)).shape
        torch.Size([1, 5, 3])
    """

    operation = staticmethod(pooling.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest element of each of `output_size` windows that cover a image.

    Args:
        output_size: a number or one for each dimension, None for one as large as the input.
        return_indices: also return where each maximum lies.

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.AdaptiveMaxPool2d((2, None))(kuai.ones(1, 5, 7)).shape
        torch.Size([1, 2, 7])
    """

    operation = staticmethod(pooling.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest element of each of `output_size` windows that cover a volume.

    Args:
        output_size: a number or one for each dimension, None for one as large as the input.
        return_indices: also return where each maximum lies.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.AdaptiveMaxPool3d(2)(kuai.ones(1, 5, 7, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    operation = staticmethod(pooling.adaptive_max_pool3d)


class _LPPoolNd(Module):
    _shown = (
        "norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
        "stride={self.stride}, ceil_mode={self.ceil_mode}"
    )
    operation: Any

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        numbers = (float(self.norm_type), self.kernel_size, self.stride)
        return self.operation(input, *numbers, self.ceil_mode)


class LPPool1d(_LPPoolNd):
    """(sum of x ** norm_type) ** (1 / norm_type) over each window of a signal.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.LPPool1d(2, 2)(kuai.ones(1, 4)).shape
        torch.Size([1, 2])
    """

    operation = staticmethod(pooling.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """(sum of x ** norm_type) ** (1 / norm_type) over each window of a image.

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.LPPool2d(2, 2)(kuai.ones(1, 4, 4)).shape
        torch.Size([1, 2, 2])
    """

    operation = staticmethod(pooling.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """(sum of x ** norm_type) ** (1 / norm_type) over each window of a volume.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.LPPool3d(2, 2)(kuai.ones(1, 4, 4, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    operation = staticmethod(pooling.lp_pool3d)
