"""Pictures' features in rectangles of any place and size, brought to one size by interpolation.

A rectangle is divided into bins, a bin holds a grid of points, and what the four pixels around each
point say is averaged. Rectangles are looked at a few at a time, so memory holds no more of them.
"""

import math

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.autocast import is_autocast_enabled

__all__ = ["channel_mapping", "check_regions", "ps_roi_align", "roi_align"]

_AT_ONCE = 64  # rectangles


def check_regions(input, rois):
    """Raise an error where features and rectangles do not fit each other."""
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise RuntimeError("rois must have shape as Tensor[K, 5]")
    mixed = is_autocast_enabled(input.device.type)
    if input.dtype != rois.dtype and not mixed:
        raise RuntimeError(
            "Expected tensor for input to have the same type as tensor for rois; but type "
            f"{input.dtype} does not equal {rois.dtype}"
        )


def _side(start, length, bins, grid, most, size):
    """The pixels on either hand of the points of a side, with weights: `(bins, most)` each."""
    step, point = length / bins, jnp.arange(most)
    at = start + jnp.arange(bins)[:, None] * step + (point + 0.5) * step / grid
    used = (point < grid) & (at >= -1) & (at <= size)
    at = jnp.where(used, jnp.clip(at, 0, size - 1), 0)
    low = at.astype(jnp.int32)
    share = at - low
    return (low, jnp.where(used, 1 - share, 0)), (
        jnp.minimum(low + 1, size - 1),
        jnp.where(used, share, 0),
    )


def _averaged(pick, region, size, bins, sampling_ratio, most, at_least):
    """The averages over the bins of one rectangle `(y, x, height, width)`: `(bins, bins, …)`."""
    y, x, height, width = region
    grids = [
        jnp.where(sampling_ratio > 0, sampling_ratio, jnp.ceil(length / count))
        for length, count in zip((height, width), bins, strict=True)
    ]
    rows = _side(y, height, bins[0], grids[0], most, size[0])
    columns = _side(x, width, bins[1], grids[1], most, size[1])
    total = 0
    for row, row_weight in rows:
        for column, column_weight in columns:
            weight = row_weight[:, :, None, None] * column_weight
            found = pick(row[:, :, None, None] * size[1] + column)
            total += (found * weight.reshape(*weight.shape, *[1] * (found.ndim - 4))).sum((1, 3))
    count = grids[0] * grids[1]
    return total / (jnp.maximum(count, 1) if at_least else count)


def _wide(input, rois):
    kind = jnp.promote_types(input.dtype, jnp.float32)
    return input.astype(kind), lax.stop_gradient(rois).astype(kind)


def _by_region(one, rois):
    return lax.map(one, rois, batch_size=min(_AT_ONCE, max(1, rois.shape[0])))


@op(function=False, method=False, grad="RoiAlignBackward0")
def _roi_align(
    input: Array,
    rois: Array,
    spatial_scale: Number,
    bins: tuple,
    sampling_ratio: Number,
    most: int,
    aligned: bool,
):
    picture, places = _wide(input, rois)
    batch, channels, *size = picture.shape
    pixels = jnp.moveaxis(picture, 1, -1).reshape(batch, math.prod(size), channels)

    def one(roi):
        number = jnp.clip(roi[0].astype(jnp.int32), 0, batch - 1)
        x, y, right, bottom = roi[1:] * spatial_scale - (0.5 if aligned else 0)
        least = -jnp.inf if aligned else 1
        region = y, x, jnp.maximum(bottom - y, least), jnp.maximum(right - x, least)
        pick = lambda index: pixels[number, index]  # noqa: E731
        return _averaged(pick, region, size, bins, sampling_ratio, most, at_least=True)

    return jnp.moveaxis(_by_region(one, places), -1, 1).astype(input.dtype)


def _most(rois, spatial_scale, bins, sampling_ratio):
    """An upper bound for the points on a side of a bin; its value is a part of the program."""
    if sampling_ratio > 0:
        return int(sampling_ratio)
    if rois.shape[0] == 0:
        return 1
    corners = rois.detach().double()
    sides = (corners[:, 3:5] - corners[:, 1:3]).amax(0) * spatial_scale
    width, height = sides.tolist()
    needed = max(math.ceil(height / bins[0]), math.ceil(width / bins[1]), 1) + 1
    return 1 << (needed - 1).bit_length()  # few different programs


@composite(function=False, method=False)
def roi_align(
    input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned=False
):
    """Features in rectangles, averaged in bins at points between the pixels.

    Args:
        rois: for each rectangle the number of its picture, left, top, right, bottom.
        spatial_scale: what the rectangles are multiplied with to fit the features.
        sampling_ratio: points on a side of a bin; not positive: one for each pixel.
        aligned: pixels are areas whose middles are at the half numbers.

    Shape: input `(N, C, H, W)`, rois `(K, 5)`, output `(K, C, pooled_height, pooled_width)`.

    Example:
        >>> x = kuai.arange(16.0).reshape(1, 1, 4, 4)
        >>> kuai.ops.torchvision.roi_align(x, kuai.tensor([[0.0, 0, 0, 4, 4]]), 1.0, 1, 1, 2, True)
        tensor([[[[7.5000]]]])

    Reference: He et al., Mask R-CNN, 2017.
    """
    check_regions(input, rois)
    bins = int(pooled_height), int(pooled_width)
    most = _most(rois, spatial_scale, bins, sampling_ratio)
    return _roi_align(input, rois, spatial_scale, bins, sampling_ratio, most, bool(aligned))


# Each bin with channels of its own ----------------------------------------------------------------


def channel_mapping(count, channels, bins):
    """The channel that each bin of an output reads: `(count, channels / bins, *bins)`."""
    if channels % math.prod(bins):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")
    shape = channels // math.prod(bins), *bins
    return jnp.broadcast_to(jnp.arange(channels, dtype=jnp.int32).reshape(shape), (count, *shape))


@op(function=False, method=False, grad="PsRoiAlignBackward0")
def _ps_roi_align(
    input: Array, rois: Array, spatial_scale: Number, bins: tuple, sampling_ratio: Number, most: int
):
    picture, places = _wide(input, rois)
    batch, channels, *size = picture.shape
    mapping = channel_mapping(rois.shape[0], channels, bins)
    pixels = picture.reshape(batch, *mapping.shape[1:], math.prod(size))
    pixels = jnp.moveaxis(pixels, 1, -1)  # (batch, *bins, pixels, channels)
    row, column = jnp.arange(bins[0])[:, None, None, None], jnp.arange(bins[1])[:, None]

    def one(roi):
        number = jnp.clip(roi[0].astype(jnp.int32), 0, batch - 1)
        x, y, right, bottom = roi[1:] * spatial_scale - 0.5
        region = y, x, bottom - y, right - x
        pick = lambda index: pixels[number, row, column, index]  # noqa: E731
        return _averaged(pick, region, size, bins, sampling_ratio, most, at_least=False)

    return jnp.moveaxis(_by_region(one, places), -1, 1).astype(input.dtype), mapping


@composite(function=False, method=False)
def ps_roi_align(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio):
    """As `roi_align`, where each bin reads channels of its own; also which channel that is.

    Shape: input `(N, C·h·w, H, W)`, rois `(K, 5)`, outputs `(K, C, h, w)`.

    Example:
        >>> x = kuai.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 2, 2)
        >>> kuai.ops.torchvision.ps_roi_align(x, kuai.tensor([[0.0, 0, 0, 2, 2]]), 1.0, 2, 2, 1)[0]
        tensor([[[[0., 1.],
                  [2., 3.]]]])

    Reference: Dai et al., R-FCN, 2016; Li et al., Light-head R-CNN, 2017.
    """
    check_regions(input, rois)
    bins = int(pooled_height), int(pooled_width)
    most = _most(rois, spatial_scale, bins, sampling_ratio)
    return _ps_roi_align(input, rois, spatial_scale, bins, sampling_ratio, most)
