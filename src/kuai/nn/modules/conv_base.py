"""What all convolution layers share; a class of your own may build on it, as on PyTorch's."""

from __future__ import annotations

import math
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn import init
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter

__all__ = ["_ConvNd", "_ConvTransposeNd"]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolution layers share: their numbers, parameters, initialisation and repr.

    The initial weight is uniform in +-1 / sqrt(fan_in), as is the bias (`kaiming_uniform_` with
    a = sqrt(5) gives just that).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding: Any = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        self._make_parameters(bias, device, dtype)

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
        self.weight = parameter(self._weight_shape(), device, dtype)
        if bias:
            self.bias = parameter(self.out_channels, device, dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    @property
    def _reversed_padding_repeated_twice(self) -> tuple[int, ...]:
        """What `pad` wants: before and after, the last dimension first."""
        if self.padding == "valid":
            return (0, 0) * len(self.kernel_size)
        pairs = [(amount, amount) for amount in self.padding]
        if self.padding == "same":
            reaches = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            pairs = [(reach // 2, reach - reach // 2) for reach in reaches]
        return tuple(amount for pair in reversed(pairs) for amount in pair)

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


class _ConvTransposeNd(_ConvNd):
    """What transposed convolutions share: only zeros around the input, and the output's size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ):
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {self.__class__.__name__}'
            )
        windows = (kernel_size, stride, padding, dilation, transposed, output_padding)
        rest = (groups, bias, padding_mode, device, dtype)
        super().__init__(in_channels, out_channels, *windows, *rest)

    def _output_padding(
        self,
        input: Tensor,
        output_size: Any,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        kernel_size: tuple[int, ...],
        num_spatial_dims: int,
        dilation: tuple[int, ...] | None = None,
    ) -> tuple[int, ...]:
        """The output padding that gives the size asked for."""
        if output_size is None:
            return self.output_padding
        leading = input.ndim - num_spatial_dims
        wanted = _spatial(output_size, input.ndim, num_spatial_dims)
        sizes = input.shape[leading:]
        spread = (1,) * num_spatial_dims if dilation is None else dilation
        smallest = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(sizes, stride, padding, spread, kernel_size, strict=True)
        ]
        largest = [low + step - 1 for low, step in zip(smallest, stride, strict=True)]
        bounds = zip(wanted, smallest, largest, strict=True)
        if any(not low <= size <= high for size, low, high in bounds):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from "
                f"{smallest} to {largest} (for an input of {sizes})"
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))


def _spatial(output_size: Any, ndim: int, dims: int) -> tuple[int, ...]:
    """The sizes asked for, without those of the batch and the channels."""
    wanted = tuple(output_size)
    if len(wanted) == ndim:
        wanted = wanted[ndim - dims :]
    if len(wanted) != dims:
        raise ValueError(
            f"ConvTranspose{dims}D: for {ndim}D input, output_size must have {dims} "
            f"or {ndim} elements (got {len(wanted)})"
        )
    return wanted
