"""Flax NNX's layers with the first values that PyTorch's parameter of that name has.

Flax keeps channels last and matrices transposed.
"""

from __future__ import annotations

from flax import nnx

from benchmarks.case import value

RNGS = nnx.Rngs(0)


def linear(name: str, inputs: int, outputs: int) -> nnx.Linear:
    """`nn.Linear`."""
    made = nnx.Linear(inputs, outputs, rngs=RNGS)
    made.kernel[...] = value(f"{name}.weight", (outputs, inputs)).T
    made.bias[...] = value(f"{name}.bias", (outputs,))
    return made


def conv(
    name: str,
    inputs: int,
    outputs: int,
    size: int,
    stride: int = 1,
    padding: int = 0,
    bias: bool = True,
) -> nnx.Conv:
    """`nn.Conv2d` for channels last."""
    made = nnx.Conv(
        inputs, outputs, (size, size), stride, padding=padding, use_bias=bias, rngs=RNGS
    )
    weight = value(f"{name}.weight", (outputs, inputs, size, size))
    made.kernel[...] = weight.transpose(2, 3, 1, 0)
    if bias:
        made.bias[...] = value(f"{name}.bias", (outputs,))
    return made


def batch_norm(name: str, channels: int) -> nnx.BatchNorm:
    """`nn.BatchNorm2d` for channels last."""
    made = nnx.BatchNorm(channels, momentum=0.9, epsilon=1e-5, rngs=RNGS)
    made.bias[...] = value(f"{name}.bias", (channels,))
    return made


def layer_norm(name: str, size: int) -> nnx.LayerNorm:
    """`nn.LayerNorm`."""
    made = nnx.LayerNorm(size, epsilon=1e-5, rngs=RNGS)
    made.bias[...] = value(f"{name}.bias", (size,))
    return made


def max_pool(size: int, stride: int, padding: int = 0):
    """`nn.MaxPool2d` for channels last."""
    pads = [(padding, padding)] * 2
    return lambda x: nnx.max_pool(x, (size, size), (stride, stride), pads)


def channels_last(x):
    """(B, C, H, W) -> (B, H, W, C)."""
    return x.transpose(0, 2, 3, 1)


def flatten(x):
    """(B, H, W, C) -> (B, C·H·W), in PyTorch's order."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
