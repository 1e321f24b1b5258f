"""Convolution layers: a weight, a bias, and one line on `ops.convolution`."""

from __future__ import annotations

import math
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn import init
from kuai.nn.base.module import Module
from kuai.nn.parameter import Parameter
from kuai.ops.array.creation import empty
from kuai.ops.dimensions import each
from kuai.ops.nn import convolution
from kuai.ops.nn.padding import pad

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What all convolution layers share: their numbers, parameters, initialisation and repr.

    The initial weight is uniform in +-1 / sqrt(fan_in), as is the bias (`kaiming_uniform_` with
    a = sqrt(5) gives just that).
    """

    dims: int
    transposed = False

    def _set(
        self,
        channels: tuple[int, int],
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        padding_mode: str,
    ) -> None:
        self.in_channels, self.out_channels = channels
        self.kernel_size = each(kernel_size, self.dims)
        self.stride = each(stride, self.dims)
        self.padding = padding if isinstance(padding, str) else each(padding, self.dims)
        self.dilation = each(dilation, self.dims)
        self.output_padding = each(output_padding, self.dims)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if self.out_channels % self.groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {self.padding!r}, should be one of {{'valid', 'same'}}"
                )
            if self.padding == "same" and any(step != 1 for step in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in _MODES:
            raise ValueError(
                "padding_mode must be one of {'zeros', 'reflect', 'circular', 'replicate'}, "
                f"but got padding_mode='{self.padding_mode}'"
            )

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        made = dict(device=device, dtype=dtype)
        self.weight = Parameter(empty(self._weight_shape(), **made))
        if bias:
            self.bias = Parameter(empty(self.out_channels, **made))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = math.prod(self.weight.shape[1:])
        if self.bias is not None and fan_in:
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        nothing, ones = (0,) * len(self.kernel_size), (1,) * len(self.kernel_size)
        if self.padding != nothing:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != nothing:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Direct(_Convolution):
    """Conv1d, Conv2d and Conv3d, which differ in `dims` and in the operation they call."""

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
        super().__init__()
        channels = (in_channels, out_channels)
        self._set(channels, kernel_size, stride, padding, dilation, 0, groups, padding_mode)
        self._make_parameters(bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._border(), mode=self.padding_mode), 0
        return self.operation(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _border(self) -> tuple[int, ...]:
        """What `pad` wants: before and after, the last dimension first."""
        if self.padding == "valid":
            return (0, 0) * self.dims
        pairs = [(p, p) for p in self.padding]
        if self.padding == "same":
            reaches = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            pairs = [(reach // 2, reach - reach // 2) for reach in reaches]
        return tuple(amount for pair in reversed(pairs) for amount in pair)


class Conv1d(_Direct):
    """Convolution of a signal: Y[o] = bias[o] + sum over c of weight[o, c] * X[c].

    Args: as `Conv2d`.
    Shape: (N, C, L) or (C, L) -> (N, O, L') or (O, L').

    Example:
        >>> kuai.nn.Conv1d(3, 8, 5, padding=2)(kuai.ones(2, 3, 10)).shape
        torch.Size([2, 8, 10])
    """

    dims = 1
    operation = staticmethod(convolution.conv1d)


class Conv2d(_Direct):
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


class Conv3d(_Direct):
    """Convolution of a volume: Y[o] = bias[o] + sum over c of weight[o, c] * X[c].

    Args: as `Conv2d`.
    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.Conv3d(1, 2, 3)(kuai.ones(1, 1, 5, 5, 5)).shape
        torch.Size([1, 2, 3, 3, 3])
    """

    dims = 3
    operation = staticmethod(convolution.conv3d)


class _Transposed(_Convolution):
    """ConvTranspose1d, 2d and 3d, which differ in `dims` and in the operation they call."""

    transposed = True
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
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {self.__class__.__name__}'
            )
        channels = (in_channels, out_channels)
        numbers = (kernel_size, stride, padding, dilation, output_padding)
        self._set(channels, *numbers, groups, padding_mode)
        self._make_parameters(bias, device, dtype)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
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

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives the size asked for."""
        dims = self.dims
        leading = input.ndim - dims
        wanted = tuple(output_size)
        if len(wanted) == leading + dims:
            wanted = wanted[leading:]
        if len(wanted) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.ndim}D input, output_size must have {dims} "
                f"or {leading + dims} elements (got {len(wanted)})"
            )
        sizes = input.shape[leading:]
        smallest = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                sizes, self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        largest = [low + step - 1 for low, step in zip(smallest, self.stride, strict=True)]
        bounds = zip(wanted, smallest, largest, strict=True)
        if any(not low <= size <= high for size, low, high in bounds):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from "
                f"{smallest} to {largest} (for an input of {sizes})"
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))


class ConvTranspose1d(_Transposed):
    """The transpose of `Conv1d`, which spreads each element over the result.

    Args: as `ConvTranspose2d`.
    Shape: (N, C, L) or (C, L) -> (N, O, L') or (O, L').

    Example:
        >>> kuai.nn.ConvTranspose1d(3, 2, 4, stride=2)(kuai.ones(1, 3, 5)).shape
        torch.Size([1, 2, 12])
    """

    dims = 1
    operation = staticmethod(convolution.conv_transpose1d)


class ConvTranspose2d(_Transposed):
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


class ConvTranspose3d(_Transposed):
    """The transpose of `Conv3d`, which spreads each element over the result.

    Args: as `ConvTranspose2d`.
    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.ConvTranspose3d(1, 2, 2, stride=2)(kuai.ones(1, 1, 3, 3, 3)).shape
        torch.Size([1, 2, 6, 6, 6])
    """

    dims = 3
    operation = staticmethod(convolution.conv_transpose3d)
