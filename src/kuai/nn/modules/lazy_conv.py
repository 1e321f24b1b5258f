"""Convolution layers that learn the number of input channels at the first call."""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.modules.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from kuai.nn.modules.lazy import LazyModuleMixin
from kuai.nn.parameter import UninitializedParameter

__all__ = [
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class _LazyConvolution(LazyModuleMixin):
    """What all of them add to their layer."""

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Give the weight its shape, for the channels of the first input."""
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._count_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _count_channels(self, input: Tensor) -> int:
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise RuntimeError(
                f"Expected {self.dims + 1}D (unbatched) or {self.dims + 2}D (batched) input to "
                f"{self.__class__.__name__}, but got input of size: {input.shape}"
            )
        return input.shape[-self.dims - 1]


class _LazyDirect(_LazyConvolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        numbers = (kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        super().__init__(0, out_channels, *numbers, device, dtype)


class _LazyTransposed(_LazyConvolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        numbers = (kernel_size, stride, padding, output_padding, groups, bias, dilation)
        super().__init__(0, out_channels, *numbers, padding_mode, device, dtype)


class LazyConv1d(_LazyDirect, Conv1d):
    """A `Conv1d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConv1d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8))
        >>> layer.weight.shape
        torch.Size([4, 3, 3])
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyDirect, Conv2d):
    """A `Conv2d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConv2d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8, 8))
        >>> layer.weight.shape
        torch.Size([4, 3, 3, 3])
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyDirect, Conv3d):
    """A `Conv3d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConv3d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 4, 4, 4))
        >>> layer.weight.shape
        torch.Size([4, 3, 3, 3, 3])
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A `ConvTranspose1d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConvTranspose1d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8))
        >>> layer.weight.shape
        torch.Size([3, 4, 3])
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A `ConvTranspose2d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConvTranspose2d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8, 8))
        >>> layer.weight.shape
        torch.Size([3, 4, 3, 3])
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A `ConvTranspose3d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConvTranspose3d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 4, 4, 4))
        >>> layer.weight.shape
        torch.Size([3, 4, 3, 3, 3])
    """

    cls_to_become = ConvTranspose3d
