"""Sampling pictures and volumes at places that a grid names, and grids of affine maps.

A place is a point of [-1, 1] in each dimension, x (the last dimension of the picture) first. It is
turned into a position among the pixels; what lies around it is gathered and weighted. Everything
is differentiable by the picture and by the grid.
"""

import functools
import itertools
import math
import operator
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.array.sequences import evenly

__all__ = ["affine_grid", "between_pixels", "grid_sample"]

_CHANGED = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
    "Please specify align_corners=True if the old behavior is desired. See the documentation of "
    "grid_sample for details."
)


# Positions ----------------------------------------------------------------------------------------


def _position(place, size, align_corners, is_volume):
    """From [-1, 1] to the numbers of pixels, with PyTorch's roundings.

    In the middle of a pixel the slope depends on the side that a place is rounded to, and places of
    an identity are all middles. In pictures PyTorch multiplies and subtracts with one rounding.
    """
    if is_volume:
        return (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2
    if align_corners:
        return (place + 1) * ((size - 1) / 2)
    exact = (place + 1).astype(jnp.float64) * (size / 2) - 0.5
    return exact.astype(place.dtype)


def _clip(position, size):
    """Into the picture; at the border and outside the slope is zero."""
    inside = (position > 0) & (position < size - 1)
    clipped = jnp.clip(lax.stop_gradient(position), 0, size - 1)
    return jnp.where(inside, position, jnp.where(jnp.isnan(clipped), 0, clipped))


def _reflect(position, size, align_corners):
    """Back and forth between the picture's edges, as often as needed."""
    low, high = (0, 2 * (size - 1)) if align_corners else (-1, 2 * size - 1)
    if low == high:
        return jnp.zeros_like(position)
    start, span = low / 2, (high - low) / 2
    distance = jnp.abs(position - start)
    flips = jnp.floor(lax.stop_gradient(distance) / span)
    rest = distance - flips * span
    return jnp.where(flips % 2 == 0, rest + start, span - rest + start)


def _placed(position, size, padding_mode, align_corners):
    """The position that is looked up, by padding mode."""
    if padding_mode == "border":
        return _clip(position, size)
    if padding_mode == "reflection":
        return _clip(_reflect(position, size, align_corners), size)
    return position


# Look-up ------------------------------------------------------------------------------------------


def _whole(position):
    """A position as an index; what no index stands for is far outside."""
    usable = jnp.abs(position) < 2**30
    return jnp.where(usable, position, -(2**30)).astype(jnp.int64)


def _pixels(input, indices, is_zero_outside):
    """The channels at one index in each dimension: (N, C, *places)."""
    sizes = input.shape[2:]
    flat: Any = 0
    inside: Any = True
    for index, size in zip(indices, sizes, strict=True):
        inside = inside & (index >= 0) & (index < size)
        flat = flat * size + jnp.clip(index, 0, size - 1)
    batch, channels = input.shape[:2]
    rows = flat.reshape(batch, 1, math.prod(flat.shape[1:]))
    found = jnp.take_along_axis(input.reshape(batch, channels, math.prod(sizes)), rows, axis=2)
    found = found.reshape(batch, channels, *flat.shape[1:])
    return jnp.where(inside[:, None], found, 0) if is_zero_outside else found


def _combined(input, taps, is_zero_outside=True):
    """The weighted sum over every choice of one tap, (index, weight), in each dimension."""
    parts = []
    for chosen in itertools.product(*taps):
        weight = functools.reduce(operator.mul, (weight for _, weight in chosen))
        pixels = _pixels(input, [index for index, _ in chosen], is_zero_outside)
        parts.append(pixels * weight[:, None])
    return functools.reduce(operator.add, parts)


def between_pixels(input, positions):
    """The channels at positions between the pixels, one in each dimension: (N, C, *places)."""
    taps = []
    for position in positions:
        below = lax.stop_gradient(jnp.floor(position))
        share, index = position - below, _whole(below)
        taps.append([(index, 1 - share), (index + 1, share)])
    return _combined(input, taps)


def _nearest(input, positions):
    indices = [_whole(jnp.round(lax.stop_gradient(position))) for position in positions]
    return _pixels(input, indices, True)


def _cubic_weights(share):
    """Keys's convolution with a = -0.75 for the four pixels around a position."""
    a = -0.75

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(share + 1), near(share), near(1 - share), far(2 - share)]


def _cubic(input, positions, padding_mode, align_corners):
    taps = []
    for position, size in zip(positions, input.shape[2:], strict=True):
        below = lax.stop_gradient(jnp.floor(position))
        weights = _cubic_weights(position - below)
        shifted = [below + offset for offset in (-1, 0, 1, 2)]
        placed = [_whole(_placed(at, size, padding_mode, align_corners)) for at in shifted]
        taps.append(list(zip(placed, weights, strict=True)))
    return _combined(input, taps)


# The operation ------------------------------------------------------------------------------------


def _check(input, grid, mode):
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but "
            f"got grid with sizes {list(grid.shape)}"
        )
    for dim in range(2, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input "
                f"has sizes {list(input.shape)} with dimension {dim} being empty"
            )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if mode == "bicubic" and input.ndim == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    _check_kinds(input, grid)


def _check_kinds(input, grid):
    if not jnp.issubdtype(input.dtype, jnp.floating):
        kernel = f"grid_sampler_{input.ndim - 2}d_cpu" + ("_kernel_impl" * (input.ndim == 4))
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(input.dtype)}'")
    if input.dtype != grid.dtype:
        names = scalar_name(input.dtype), scalar_name(grid.dtype)
        raise RuntimeError("expected scalar type {} but found {}".format(*names))


def _grid_name(input, *rest):
    return f"GridSampler{input.ndim - 2}DBackward0"


@op(function=False, method=False, grad=_grid_name, autocast={"cpu": "float32", "cuda": "widest"})
def _sample(input: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool):
    _check(input, grid, mode)
    kind = jnp.float64 if input.dtype == jnp.float64 else jnp.float32
    picture, places = input.astype(kind), grid.astype(kind)
    sizes = input.shape[2:]
    positions = [
        _position(places[..., -1 - dim], size, align_corners, input.ndim == 5)
        for dim, size in enumerate(sizes)
    ]
    if mode == "bicubic":
        return _cubic(picture, positions, padding_mode, align_corners).astype(input.dtype)
    positions = [
        _placed(position, size, padding_mode, align_corners)
        for position, size in zip(positions, sizes, strict=True)
    ]
    lookup = between_pixels if mode == "bilinear" else _nearest
    return lookup(picture, positions).astype(input.dtype)


@composite(function=False, method=False, functional=True)
def grid_sample(
    input, grid, mode="bilinear", padding_mode="zeros", align_corners: bool | None = None
):
    """The picture at the places of a grid: y[n, :, h, w] = x at grid[n, h, w].

    Args:
        grid: places in [-1, 1], x before y before z.
        mode: `'bilinear'` (trilinear for volumes), `'nearest'` or `'bicubic'`.
        padding_mode: what lies outside: `'zeros'`, the `'border'`, or a `'reflection'`.
        align_corners: -1 and 1 are the middles of the corner pixels, and not their outer edges.

    Shape:
        input `(N, C, H, W)`, grid `(N, H', W', 2)`, output `(N, C, H', W')`; for volumes
        `(N, C, D, H, W)`, `(N, D', H', W', 3)` and `(N, C, D', H', W')`.

    Example:
        >>> x = kuai.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> grid = kuai.tensor([[[[0.0, 0.0], [1.0, 1.0]]]])
        >>> kuai.nn.functional.grid_sample(x, grid, align_corners=True)
        tensor([[[[2.5000, 4.0000]]]])

    Reference: Jaderberg et al., Spatial transformer networks, 2015.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=2)
    return _sample(input, grid, mode, padding_mode, align_corners or False)


# Affine maps --------------------------------------------------------------------------------------


def _places(count, align_corners, kind):
    """The middles of `count` pixels in [-1, 1].

    To the bit as PyTorch rounds them: the map that changes nothing, with which spatial transformers
    begin, has every place in the middle of a pixel, where the last bit says on which side the
    derivative of `grid_sample` is taken.
    """
    if count <= 1:
        return np.zeros(count, kind)
    places = evenly(-1, 1, count, kind).astype(kind)
    return places if align_corners else places * kind.type(count - 1) / kind.type(count)


@op(function=False, method=False, grad="AffineGridGeneratorBackward0", autocast={"cpu": "lower"})
def _affine_grid(theta: Array, size: tuple, align_corners: bool):
    if theta.shape[0] != size[0]:
        dims = len(size) - 2
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{size[0]}, {dims + 1}] but got: [{theta.shape[0]}, {dims + 1}]."
        )
    kind = np.dtype(np.float64 if theta.dtype == jnp.float64 else np.float32)
    axes = [_places(count, align_corners, kind) for count in size[2:]]
    meshes = np.meshgrid(*axes, indexing="ij")
    base = np.stack([*reversed(meshes), np.ones(size[2:])], axis=-1)  # (…, x y z 1)
    grid = jnp.einsum(
        "...k,nik->n...i", jnp.asarray(base, kind), theta.astype(kind), precision="highest"
    )
    return grid.astype(theta.dtype)


@composite(function=False, method=False, functional=True)
def affine_grid(theta, size, align_corners=None):
    """The grid for `grid_sample` that maps the places of the output by an affine map.

        grid[n, h, w] = θₙ · (x, y, 1)

    Args:
        theta: a matrix for each picture, `(N, 2, 3)`, or `(N, 3, 4)` for volumes.
        size: that of the output, `(N, C, H, W)` or `(N, C, D, H, W)`.
        align_corners: as for `grid_sample`.

    Shape: output `(N, H, W, 2)` or `(N, D, H, W, 3)`.

    Example:
        >>> turn = kuai.tensor([[[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]]])
        >>> kuai.nn.functional.affine_grid(turn, (1, 1, 1, 2), align_corners=False)
        tensor([[[[0., 3.],
                  [2., 3.]]]])
    """
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=2)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    _check_affine(theta, size)
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return _affine_grid(theta, tuple(size), align_corners or False)


def _check_affine(theta, size):
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size "
            f"{size}. Got {theta.shape}."
        )
