"""Interpolation: pictures, and signals of one or three dimensions, made larger or smaller.

One dimension after the other. Forward, each output element is gathered from the few input elements
it depends on; the derivative is a product with the matrix of those weights, whose transpose, the
backward pass, is a matrix product as well and not a scattered sum.
"""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.size import whole
from kuai.ops.nn.interpolation_weights import taps, whole_weights
from kuai.ops.nn.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

_PLAIN = ("nearest", "nearest-exact", "area")
_RANKS = {"linear": 3, "bilinear": 4, "trilinear": 5}
_POOLS = {3: adaptive_avg_pool1d, 4: adaptive_avg_pool2d, 5: adaptive_avg_pool3d}


class _Taps:
    """Indices and weights of one dimension, compared by identity: a constant of the program."""

    def __init__(self, source, index, weight):
        self.source, self.index, self.weight = source, index, weight

    def matrix(self, kind):
        """The weights as a matrix (target, source)."""
        made = np.zeros((len(self.index), self.source))
        np.add.at(made, (np.arange(len(self.index))[:, None], self.index), self.weight)
        return jnp.asarray(made, kind)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _gather(input, plan, axis):
    """Each output element along one axis, put together from its taps."""
    if plan.weight.shape[1] == 1:
        return jnp.take(input, plan.index[:, 0], axis=axis)
    shape = [1] * input.ndim
    shape[axis] = -1
    parts = [
        jnp.take(input, index, axis=axis) * jnp.asarray(weight.reshape(shape), input.dtype)
        for index, weight in zip(plan.index.T, plan.weight.T, strict=True)
    ]
    return functools.reduce(jnp.add, parts)


@_gather.defjvp
def _gather_derivative(plan, axis, primals, tangents):
    matrix = plan.matrix(tangents[0].dtype)
    moved = jnp.moveaxis(tangents[0], axis, -1)
    change = jnp.matmul(moved, matrix.T, precision=jax.lax.Precision.HIGHEST)
    return _gather(primals[0], plan, axis), jnp.moveaxis(change, -1, axis)


def _gather_bytes(input, index, weight, axis):
    """The same for 8-bit numbers, with weights of 16 bits and rounded to 8, as in PyTorch."""
    weights, bits = whole_weights(index, weight)
    shape = [1] * input.ndim
    shape[axis] = -1
    total = 1 << (bits - 1)
    for place, each in zip(index.T, weights.T, strict=True):
        total += jnp.take(input, place, axis=axis).astype(jnp.int32) * each.reshape(shape)
    return jnp.clip(total >> bits, 0, 255).astype(jnp.uint8)


def _resample_bytes(input, size, factors, method, align_corners, antialias):
    for axis in (3, 2):
        source, target, factor = input.shape[axis], size[axis - 2], factors[axis - 2]
        if source != target:
            plan = taps(source, target, factor, method, align_corners, antialias, np.float64)
            input = _gather_bytes(input, *plan, axis)
    return input


def _resample(input, size, factors, mode, align_corners, antialias):
    """The pure function of every mode."""
    _check_sizes(input, size)
    _check_dtype(input, mode)
    if input.dtype == jnp.uint8 and input.ndim == 4 and not mode.startswith("nearest"):
        method = mode.removeprefix("bi")
        return _resample_bytes(input, size, factors, method, align_corners, antialias)
    kind = np.float64 if input.dtype == jnp.float64 else np.float32
    is_exact = mode.startswith("nearest")
    output = input if is_exact or input.dtype == jnp.float64 else input.astype(jnp.float32)
    method = mode.removeprefix("bi").removeprefix("tri")
    copies = antialias or method == "linear" or (mode == "nearest" and input.ndim == 4)
    for axis in reversed(range(2, input.ndim)):
        source, target, factor = input.shape[axis], size[axis - 2], factors[axis - 2]
        if copies and source == target:  # PyTorch's kernels differ in this
            continue
        index, weight = taps(source, target, factor, method, align_corners, antialias, kind)
        output = _gather(output, _Taps(source, index, weight), axis)
    return _returned(output, input.dtype)


def _returned(output, kind):
    if kind == jnp.uint8 and output.dtype != kind:
        output = jnp.clip(jnp.round(output), 0, 255)
    return output.astype(kind)


def _check_sizes(input, size):
    if min(*input.shape[2:], *size) <= 0:
        names = "DHW"[-len(size) :]
        before, after = (
            ", ".join(f"{name}: {n}" for name, n in zip(names, sizes, strict=True))
            for sizes in (input.shape[2:], size)
        )
        raise RuntimeError(
            "Input and output sizes should be greater than 0, "
            f"but got input ({before}) {'and ' if len(size) == 1 else ''}output ({after})"
        )
    if input.shape[1] == 0:
        raise RuntimeError(
            f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes "
            f"{list(input.shape)}"
        )


def _check_dtype(input, mode):
    if jnp.issubdtype(input.dtype, jnp.floating) or input.dtype == jnp.uint8:
        return
    kernel = f"upsample_{mode}2d_channels_last"
    if input.ndim != 4 or mode not in ("nearest", "bilinear"):
        method = mode.removeprefix("bi").removeprefix("tri").removesuffix("-exact")
        kernel = f"compute_indices_weights_{method}"
    raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(input.dtype)}'")


def _kernel(mode, antialias=False):
    """The operation of one mode, named as PyTorch names it."""
    word = "".join(part.capitalize() for part in mode.split("-"))

    def name(input):
        return f"Upsample{word}{input.ndim - 2}D{'Aa' if antialias else ''}Backward0"

    @op(function=False, method=False, grad=name, autocast={"cuda": "float32"})
    def interpolate(input: Array, size: tuple, factors: tuple, align_corners: bool):
        return _resample(input, size, factors, mode, align_corners, antialias)

    return interpolate


_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic")
_KERNELS = {(mode, False): _kernel(mode) for mode in _MODES}
_KERNELS |= {(mode, True): _kernel(mode, True) for mode in ("bilinear", "bicubic", "lanczos")}


# What the caller asks for -------------------------------------------------------------------------


def _is_sequence(value):
    return isinstance(value, (list, tuple))


def _wanted_size(input, size):
    if not _is_sequence(size):
        return (whole(size),) * (input.ndim - 2)
    if len(size) != input.ndim - 2:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got "
            f"input with spatial dimensions of {list(input.shape[2:])} and output size of {size}. "
            "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            "output size in (o1, o2, ...,oK) format."
        )
    if not all(isinstance(number, (int, np.integer)) for number in size):
        raise TypeError(
            "expected size to be one of int or Tuple[int] or Tuple[int, int] or "
            f"Tuple[int, int, int], but got size with types {[type(x) for x in size]}"
        )
    return tuple(map(int, size))


def _wanted_factors(input, scale_factor):
    if not _is_sequence(scale_factor):
        return (float(scale_factor),) * (input.ndim - 2)
    if len(scale_factor) != input.ndim - 2:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but "
            f"got input with spatial dimensions of {list(input.shape[2:])} and "
            f"scale_factor of shape {scale_factor}. "
            "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            "scale_factor in (s1, s2, ...,sK) format."
        )
    return tuple(map(float, scale_factor))


def _size_and_factors(input, size, scale_factor, mode, recompute):
    """The output's size, and for each dimension the factor to compute positions with, or None."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    unknown = (None,) * (input.ndim - 2)
    if size is not None:
        made = _wanted_size(input, size), unknown
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return made
    factors = _wanted_factors(input, scale_factor)
    size = tuple(int(n * factor) for n, factor in zip(input.shape[2:], factors, strict=True))
    return size, unknown if recompute or mode == "area" else factors


def _check_mode(input, mode, align_corners, antialias):
    rank = input.ndim
    if rank in (3, 4, 5) and mode in _RANKS and rank != _RANKS[mode]:
        raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {_RANKS[mode]}D input")
    if rank == 4 and mode == "lanczos":
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        return
    plain = mode in _PLAIN or (mode in ("bicubic",) and rank == 4) or mode in _RANKS
    if rank not in (3, 4, 5) or not plain:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: "
            "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"
            f" (got {mode})"
        )


@composite(function=False, method=False, functional=True)
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners: bool | None = None,
    recompute_scale_factor=None,
    antialias=False,
):
    """The input made larger or smaller to `size`, or by `scale_factor`.

    Args:
        mode: `'nearest'`, `'nearest-exact'` (rounding as other libraries do), `'linear'`,
            `'bilinear'`, `'trilinear'`, `'bicubic'`, `'lanczos'` or `'area'` (means).
        align_corners: the first and last elements, and not their outer edges, fall together.
        recompute_scale_factor: compute positions with the ratio of the sizes instead of the factor.
        antialias: smooth before making smaller; bilinear, bicubic and lanczos.

    Shape:
        input `(N, C, L)`, `(N, C, H, W)` or `(N, C, D, H, W)`.

    Example:
        >>> x = kuai.tensor([[[1.0, 2.0]]])
        >>> kuai.nn.functional.interpolate(x, scale_factor=2, mode="linear")
        tensor([[[1.0000, 1.2500, 1.7500, 2.0000]]])

    Reference: bicubic: Keys, Cubic convolution interpolation for digital image processing, 1981.
    """
    if mode in _PLAIN and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the "
            "interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    size, factors = _size_and_factors(input, size, scale_factor, mode, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and "
            "requires a 4-D tensor as input"
        )
    _check_mode(input, mode, align_corners, antialias)
    if mode == "area":
        return _POOLS[input.ndim](input, size if input.ndim > 3 else size[0])
    return _KERNELS[mode, bool(antialias)](input, size, factors, bool(align_corners))


def _warn_renamed(name):
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


@composite(function=False, method=False, functional=True)
def upsample(
    input, size=None, scale_factor=None, mode="nearest", align_corners: bool | None = None
):
    """The old name of `interpolate`.

    Example:
        >>> kuai.nn.functional.interpolate(kuai.ones(1, 1, 2), size=4).shape
        torch.Size([1, 1, 4])
    """
    _warn_renamed("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite(function=False, method=False, functional=True)
def upsample_nearest(input, size=None, scale_factor=None):
    """The old name of `interpolate` with `mode="nearest"`.

    Example:
        >>> kuai.nn.functional.interpolate(kuai.ones(1, 1, 2), size=4, mode="nearest").shape
        torch.Size([1, 1, 4])
    """
    _warn_renamed("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@composite(function=False, method=False, functional=True)
def upsample_bilinear(input, size=None, scale_factor=None):
    """The old name of `interpolate` with `mode="bilinear"` and `align_corners=True`.

    Example:
        >>> x = kuai.ones(1, 1, 2, 2)
        >>> kuai.nn.functional.interpolate(x, 4, mode="bilinear", align_corners=True).shape
        torch.Size([1, 1, 4, 4])
    """
    _warn_renamed("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
