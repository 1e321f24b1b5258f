"""Convolution layers: a weight, a bias, and one line on `ops.nn.convolution`.

The lazy ones learn the number of input channels at the first call.
"""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.modules.conv_base import _ConvNd as _ConvNd, _ConvTransposeNd as _ConvTransposeNd
from kuai.nn.modules.lazy import LazyModuleMixin
from kuai.nn.parameter import UninitializedParameter
from kuai.ops.dimensions import each
from kuai.ops.nn import convolution
from kuai.ops.nn.padding import pad

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class _Conv(_ConvNd):
    """Conv1d, Conv2d and Conv3d, which differ in `dims` and in the operation they call."""

    dims: int
    operation: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size, self.dims),
            each(stride, self.dims),
            padding if isinstance(padding, str) else each(padding, self.dims),
            each(dilation, self.dims),
            False,
            each(0, self.dims),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self.operation(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """Convolution of a signal: Y[o] = bias[o] + sum over c of weight[o, c] * X[c].

    Args: as `Conv2d`.

    Shape: (N, C, L) or (C, L) -> (N, O, L') or (O, L').

    Example:
        >>> kuai.nn.Conv1d(3, 8, 5, padding=2)(kuai.ones(2, 3, 10)).shape
        torch.Size([2, 8, 10])
    """

    dims = 1
    operation = staticmethod(convolution.conv1d)


class Conv2d(_Conv):
    """Convolution of an image: Y[o] = bias[o] + sum over c of weight[o, c] * X[c].

    Args:
        kernel_size, stride, padding, dilation: a number, or one each for height and width.
        padding: also 'same' (keeps the size) or 'valid' (none).
        groups: channels are split into groups that do not see each other.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.

    Shape: (N, C, H, W) or (C, H, W) -> (N, O, H', W') or (O, H', W'), with
        H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Example:
        >>> kuai.nn.Conv2d(1, 6, kernel_size=5, padding=2)
        Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))

    Reference: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """

    dims = 2
    operation = staticmethod(convolution.conv2d)


class Conv3d(_Conv):
    """Convolution of a volume: Y[o] = bias[o] + sum over c of weight[o, c] * X[c].

    Args: as `Conv2d`.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.Conv3d(1, 2, 3)(kuai.ones(1, 1, 5, 5, 5)).shape
        torch.Size([1, 2, 3, 3, 3])
    """

    dims = 3
    operation = staticmethod(convolution.conv3d)


class _ConvTranspose(_ConvTransposeNd):
    """ConvTranspose1d, 2d and 3d, which differ in `dims` and in the operation they call."""

    dims: int
    operation: Any

    def __init__(
        self,
        in_channels: int,
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
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size, self.dims),
            each(stride, self.dims),
            each(padding, self.dims),
            each(dilation, self.dims),
            True,
            each(output_padding, self.dims),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        windows = (self.stride, self.padding, self.kernel_size, self.dims, self.dilation)
        extra = self._output_padding(input, output_size, *windows)
        return self.operation(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`, which spreads each element over the result.

    Args: as `ConvTranspose2d`.

    Shape: (N, C, L) or (C, L) -> (N, O, L') or (O, L').

    Example:
        >>> kuai.nn.ConvTranspose1d(3, 2, 4, stride=2)(kuai.ones(1, 3, 5)).shape
        torch.Size([1, 2, 12])
    """

    dims = 1
    operation = staticmethod(convolution.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of `Conv2d`, which spreads each pixel over the result.

    Args:
        padding: how much is cut off the result on each side.
        output_padding: rows and columns added at the end. The second argument of the call,
            `output_size`, chooses it.

    Shape: (N, C, H, W) or (C, H, W) -> (N, O, H', W') or (O, H', W'), with
        H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    Example:
        >>> up = kuai.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)
        >>> up(kuai.ones(1, 4, 6, 6), output_size=(12, 12)).shape
        torch.Size([1, 2, 12, 12])

    Reference: Zeiler et al., Deconvolutional networks, 2010.
    """

    dims = 2
    operation = staticmethod(convolution.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`, which spreads each element over the result.

    Args: as `ConvTranspose2d`.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.ConvTranspose3d(1, 2, 2, stride=2)(kuai.ones(1, 1, 3, 3, 3)).shape
        torch.Size([1, 2, 6, 6, 6])
    """

    dims = 3
    operation = staticmethod(convolution.conv_transpose3d)


# Lazy ---------------------------------------------------------------------------------------------


class _LazyConvXdMixin(LazyModuleMixin):
    """What all of them add to their layer."""

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # pyright: ignore[reportAttributeAccessIssue]  (its layer's)

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


class _LazyConv(_LazyConvXdMixin):
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


class _LazyConvTranspose(_LazyConvXdMixin):
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


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConv1d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8))
        >>> layer.weight.shape
        torch.Size([4, 3, 3])
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConv2d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8, 8))
        >>> layer.weight.shape
        torch.Size([4, 3, 3, 3])
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConv3d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 4, 4, 4))
        >>> layer.weight.shape
        torch.Size([4, 3, 3, 3, 3])
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConvTranspose1d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8))
        >>> layer.weight.shape
        torch.Size([3, 4, 3])
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConvTranspose2d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 8, 8))
        >>> layer.weight.shape
        torch.Size([3, 4, 3, 3])
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` whose `in_channels` is that of its first input.

    Example:
        >>> layer = kuai.nn.LazyConvTranspose3d(4, 3)
        >>> _ = layer(kuai.ones(2, 3, 4, 4, 4))
        >>> layer.weight.shape
        torch.Size([3, 4, 3, 3, 3])
    """

    cls_to_become = ConvTranspose3d
