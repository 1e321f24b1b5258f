"""Memory formats of convolutions' weights, which XLA chooses itself."""

from __future__ import annotations

from typing import Any

from kuai.nn.base.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module itself: XLA lays weights out as its convolutions read them.

    Example:
        >>> net = kuai.nn.Conv2d(1, 1, 1)
        >>> convert = kuai.nn.utils.convert_conv2d_weight_memory_format
        >>> convert(net, kuai.channels_last) is net
        True
    """
    return module


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """As `convert_conv2d_weight_memory_format`, for volumes."""
    return module
