"""Rearranging the channels of pictures: pixel shuffle and unshuffle, channel shuffle."""

import math

import jax.numpy as jnp

from kuai.engine.op import Array, op


def _check_pixels(name, word, input, factor):
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {word}, but got {factor}")


@op(method=False, functional=True)
def pixel_shuffle(input: Array, upscale_factor: int):
    """Every r² channels become one of r times the height and width.

    Shape:
        input `(*, C·r², H, W)`, output `(*, C, H·r, W·r)`.

    Example:
        >>> kuai.nn.functional.pixel_shuffle(kuai.ones(1, 9, 4, 4), 3).shape
        torch.Size([1, 1, 12, 12])

    Reference: Shi et al., Real-time single image and video super-resolution, 2016.
    """
    _check_pixels("pixel_shuffle", "upscale_factor", input, upscale_factor)
    *batch, channels, height, width = input.shape
    r = upscale_factor
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    split = input.reshape(math.prod(batch), channels // (r * r), r, r, height, width)
    mixed = jnp.transpose(split, (0, 1, 4, 2, 5, 3))  # (B, C, H, r, W, r)
    return mixed.reshape(*batch, channels // (r * r), height * r, width * r)


@op(method=False, functional=True)
def pixel_unshuffle(input: Array, downscale_factor: int):
    """Every r by r pixels become r² channels: the inverse of `pixel_shuffle`.

    Shape:
        input `(*, C, H·r, W·r)`, output `(*, C·r², H, W)`.

    Example:
        >>> kuai.nn.functional.pixel_unshuffle(kuai.ones(1, 1, 12, 12), 3).shape
        torch.Size([1, 9, 4, 4])
    """
    _check_pixels("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    *batch, channels, height, width = input.shape
    r = downscale_factor
    for name, dim, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({dim})={size} is not divisible by {r}"
            )
    split = input.reshape(math.prod(batch), channels, height // r, r, width // r, r)
    mixed = jnp.transpose(split, (0, 1, 3, 5, 2, 4))  # (B, C, r, r, H, W)
    return mixed.reshape(*batch, channels * r * r, height // r, width // r)


@op(method=False, functional=True)
def channel_shuffle(input: Array, groups: int):
    """The channels, as a matrix with a row for each group, read column by column.

    Shape:
        input and output `(N, C, *)`.

    Example:
        >>> x = kuai.arange(4.0).reshape(1, 4, 1)
        >>> kuai.nn.functional.channel_shuffle(x, 2).flatten()
        tensor([0., 2., 1., 3.])

    Reference: Zhang et al., ShuffleNet, 2018.
    """
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    batch, channels, *rest = input.shape
    if channels % groups:
        raise RuntimeError(
            "Number of channels must be divisible by groups. "
            f"Got {channels} channels and {groups} groups."
        )
    split = input.reshape(batch, groups, channels // groups, *rest)
    return jnp.swapaxes(split, 1, 2).reshape(input.shape)
