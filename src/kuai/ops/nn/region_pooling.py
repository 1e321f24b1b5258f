"""Pictures' features in rectangles, brought to one size by the pixels of each bin as they are.

The edges of rectangles and bins are rounded to whole pixels; a bin says its largest value, or its
mean. A bin without pixels says 0.
"""

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, Number, composite, op
from kuai.ops.accumulation import in_wide
from kuai.ops.nn.regions import channel_mapping, check_regions

__all__ = ["ps_roi_pool", "roi_pool"]


def _rounded(x):
    """To the nearest whole number, halves away from zero, as C's `round`."""
    return jnp.trunc(x + jnp.copysign(0.5, x))


def _within(start, length, bins, size, last):
    """Which pixels of a side lie in each bin, `(bins, size)`; none lies beyond `last`."""
    step, number = length / bins, jnp.arange(bins)
    first = jnp.clip(start + jnp.floor(number * step), 0, last)[:, None]
    end = jnp.clip(start + jnp.ceil((number + 1) * step), 0, last)[:, None]
    pixel = jnp.arange(size)
    return (pixel >= first) & (pixel < end)


def _places(rois, spatial_scale, batch):
    """Numbers of pictures, and corners in whole pixels."""
    number = jnp.clip(rois[:, 0].astype(jnp.int32), 0, batch - 1)
    return number, _rounded(rois[:, 1:] * spatial_scale)


@op(function=False, method=False, grad="RoiPoolBackward0")
def _roi_pool(input: Array, rois: Array, spatial_scale: Number, bins: tuple):
    batch, channels, height, width = input.shape
    kind = jnp.promote_types(input.dtype, jnp.float32)
    pixels = lax.stop_gradient(input)
    numbers, corners = _places(lax.stop_gradient(rois).astype(kind), spatial_scale, batch)

    def one(place):
        number, (left, top, right, bottom) = place
        rows = _within(top, jnp.maximum(bottom - top + 1, 1), bins[0], height, height)
        columns = _within(left, jnp.maximum(right - left + 1, 1), bins[1], width, width)
        picture = pixels[number].astype(kind)
        picture = jnp.where(jnp.isnan(picture), -jnp.inf, picture)[:, :, None]  # (C, H, 1, W)
        best = jnp.where(columns, picture, -jnp.inf)  # (C, H, w, W)
        column, best = jnp.argmax(best, -1), jnp.max(best, -1)  # (C, H, w)
        best = jnp.where(rows[:, :, None], best[:, None], -jnp.inf)  # (C, h, H, w)
        row = jnp.argmax(best, 2)  # (C, h, w)
        index = row * width + jnp.take_along_axis(column, row, axis=1)
        return jnp.where(jnp.isneginf(jnp.max(best, 2)), -1, index)

    index = lax.map(one, (numbers, corners)).astype(jnp.int32)  # (K, C, h, w)
    flat = input.reshape(batch, channels, height * width)
    channel = jnp.arange(channels)[:, None, None]
    places = numbers[:, None, None, None], channel, jnp.maximum(index, 0)
    found = in_wide(lambda wide: wide[places], flat)
    return jnp.where(index < 0, 0, found), index


@composite(function=False, method=False)
def roi_pool(input, rois, spatial_scale, pooled_height, pooled_width):
    """The largest value in each bin of rectangles, and its pixel, counted row by row.

    Shape: input `(N, C, H, W)`, rois `(K, 5)`, outputs `(K, C, pooled_height, pooled_width)`.

    Example:
        >>> x = kuai.arange(16.0).reshape(1, 1, 4, 4)
        >>> kuai.ops.torchvision.roi_pool(x, kuai.tensor([[0.0, 0, 0, 3, 3]]), 1.0, 2, 2)[0]
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])

    Reference: Girshick, Fast R-CNN, 2015.
    """
    check_regions(input, rois)
    return _roi_pool(input, rois, spatial_scale, (int(pooled_height), int(pooled_width)))


@op(function=False, method=False, grad="PsRoiPoolBackward0")
def _ps_roi_pool(input: Array, rois: Array, spatial_scale: Number, bins: tuple):
    batch, channels, height, width = input.shape
    kind = jnp.promote_types(input.dtype, jnp.float32)
    mapping = channel_mapping(rois.shape[0], channels, bins)
    numbers, corners = _places(lax.stop_gradient(rois).astype(kind), spatial_scale, batch)
    pixels = input.astype(kind).reshape(batch, *mapping.shape[1:], height, width)

    def one(place):
        number, (left, top, right, bottom) = place
        rows = _within(top, jnp.maximum(bottom - top, 1), bins[0], height, height - 1)
        columns = _within(left, jnp.maximum(right - left, 1), bins[1], width, width - 1)
        inside = (rows[:, None, :, None] & columns[:, None, :]).astype(kind)  # (h, w, H, W)
        count = jnp.maximum(inside.sum((-2, -1)), 1)
        return jnp.einsum("chwyx,hwyx->chw", pixels[number], inside, precision="highest") / count

    return lax.map(one, (numbers, corners)).astype(input.dtype), mapping


@composite(function=False, method=False)
def ps_roi_pool(input, rois, spatial_scale, pooled_height, pooled_width):
    """The mean of each bin of rectangles, each with channels of its own, and which these are.

    Shape: input `(N, C·h·w, H, W)`, rois `(K, 5)`, outputs `(K, C, h, w)`.

    Example:
        >>> x = kuai.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 3, 3)
        >>> kuai.ops.torchvision.ps_roi_pool(x, kuai.tensor([[0.0, 0, 0, 2, 2]]), 1.0, 2, 2)[0]
        tensor([[[[0., 1.],
                  [2., 3.]]]])

    Reference: Dai et al., R-FCN, 2016.

    Differs from torchvision: its gradient is that of what it computes; torchvision's counts the
    last row and column, which the forward pass leaves out.
    """
    check_regions(input, rois)
    return _ps_roi_pool(input, rois, spatial_scale, (int(pooled_height), int(pooled_width)))
