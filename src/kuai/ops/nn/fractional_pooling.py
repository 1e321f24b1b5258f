"""Fractional max pooling: windows whose distances are drawn at random.

Along a dimension of n elements, m windows of k elements start at floor((i + u) α) - floor(u α) with
α = (n - k) / (m - 1) and u uniform in [0, 1); the last one ends with the input.
"""

import math

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide
from kuai.ops.array.random_values import rand
from kuai.ops.dimensions import each

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

_AXES = {2: ("height", "width"), 3: ("time", "height", "width")}


def _starts(sample, size, kernel, count):
    """Where windows begin, for each channel: (N, C, count)."""
    last = jnp.full((*sample.shape, 1), size - kernel, jnp.int64)
    if count == 1:
        return last
    alpha = jnp.asarray((size - kernel) / (count - 1), sample.dtype)
    numbers = jnp.arange(count - 1, dtype=sample.dtype)
    moved = ((numbers + sample[..., None]) * alpha).astype(jnp.int64)
    return jnp.concatenate([moved - (sample[..., None] * alpha).astype(jnp.int64), last], -1)


def _windows(samples, sizes, kernel, counts):
    """Flat indices of all windows' elements: (N, C, windows, elements)."""
    dims = len(sizes)
    order = range(dims) if dims == 3 else reversed(range(dims))  # a picture's width comes first
    flat = jnp.zeros((1,) * (2 + 2 * dims), jnp.int64)
    for axis, of in enumerate(order):
        begin = _starts(samples[..., of], sizes[axis], kernel[axis], counts[axis])
        places = begin[..., None] + jnp.arange(kernel[axis])  # (N, C, count, k)
        shape = [1] * (2 * dims)
        shape[axis], shape[dims + axis] = counts[axis], kernel[axis]
        flat = flat * sizes[axis] + places.reshape(*begin.shape[:2], *shape)
    return flat.reshape(*flat.shape[:2], math.prod(counts), math.prod(kernel))


def _winner(values):
    """Which element of each window is the largest; the last nan, if there is one."""
    is_nan = jnp.isnan(values)
    last = values.shape[-1] - 1 - jnp.argmax(is_nan[..., ::-1], axis=-1)
    return jnp.where(is_nan.any(-1), last, jnp.argmax(values, axis=-1))


def _grad_name(input, samples):
    return f"FractionalMaxPool{samples.shape[-1]}DBackward0"


@op(function=False, method=False, grad=_grad_name, autocast={"cpu": "float32"})
def _fractional_max_pool(input: Array, samples: Array, kernel: tuple, counts: tuple):
    """The largest element of each window, and where in the plane it lies."""
    dims = len(kernel)
    _check(input, samples, kernel, counts)
    batched = input if input.ndim == dims + 2 else input[None]
    sizes = batched.shape[2:]
    windows = _windows(samples[: len(batched)], sizes, kernel, counts)  # there may be too many
    rows = batched.reshape(*batched.shape[:2], math.prod(sizes))
    picked = jnp.take_along_axis(lax.stop_gradient(rows)[:, :, None], windows, axis=-1)
    where = jnp.take_along_axis(windows, _winner(picked)[..., None], axis=-1)[..., 0]
    values = in_wide(lambda wide: jnp.take_along_axis(wide, where, axis=-1), rows)
    shape = (*input.shape[:-dims], *counts)
    return values.reshape(shape), where.reshape(shape)


def _check(input, samples, kernel, counts):
    dims = len(kernel)
    name = f"fractional_max_pool{dims}d()"
    there = name if dims == 2 else "fractional_max_pool3d_out()"
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{name}: Expected {dims + 1}D or {dims + 2}D tensor, but got: {list(input.shape)}"
        )
    for dim in range(input.ndim - dims - 1, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                f"{name}: Expected input to have non-zero size for non-batch dimensions, but got"
                f"{list(input.shape)} with dimension {dim} being empty."
            )
    for word, size, k, count in zip(_AXES[dims], input.shape[-dims:], kernel, counts, strict=True):
        if count + k - 1 > size:
            raise RuntimeError(
                f"{there}: pool {word} {k} too large relative to input {word} {size}"
            )
    _check_samples(input, samples, dims)
    if not jnp.issubdtype(input.dtype, jnp.floating):
        kernel_name = f"fractional_max_pool{dims}d_out_frame"
        raise NotImplementedError(
            f"\"{kernel_name}\" not implemented for '{scalar_name(input.dtype)}'"
        )


def _check_samples(input, samples, dims):
    if samples.dtype != input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.ndim}")
    batch = input.shape[0] if input.ndim == dims + 2 else 1
    if samples.shape[0] < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[-dims - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    mark = ";" if dims == 2 else ""
    if samples.shape[2] != dims:
        raise RuntimeError(
            f"Expect _random_samples.size(2) equals to {dims}{mark} got {samples.shape[2]}."
        )


def _counts(input, dims, output_size, output_ratio):
    name = f"fractional_max_pool{dims}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is not None:
        return tuple(map(int, each(output_size, dims)))
    ratios = each(output_ratio, dims)
    if len(ratios) != dims:
        raise ValueError(
            f"{name} requires output_ratio to either be a single Int or tuple of Ints."
        )
    sizes = input.shape[-dims:]
    return tuple(int(size * ratio) for size, ratio in zip(sizes, ratios, strict=True))


def _pooled(dims, input, kernel_size, output_size, output_ratio, samples):
    counts = _counts(input, dims, output_size, output_ratio)
    if samples is None:
        batch = input.shape[0] if input.ndim == dims + 2 else 1
        shape = (batch, input.shape[-dims - 1], dims)
        samples = rand(shape, dtype=input.dtype, device=input.device)
    return _fractional_max_pool(input, samples, tuple(each(kernel_size, dims)), counts)


@composite(function=False, method=False, functional=True)
def fractional_max_pool2d_with_indices(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """`fractional_max_pool2d` with the places of the maxima, whatever `return_indices` says.

    Example:
        >>> pool = kuai.nn.functional.fractional_max_pool2d_with_indices
        >>> pool(kuai.arange(9.0).reshape(1, 3, 3), 2, output_size=1)
        (tensor([[[8.]]]), tensor([[[8]]]))
    """
    return _pooled(2, input, kernel_size, output_size, output_ratio, _random_samples)


@composite(function=False, method=False, functional=True)
def fractional_max_pool2d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """The largest element of each of `output_size` windows at random distances.

    Args:
        kernel_size: k; a number or one for height and one for width.
        output_size: how many windows; or `output_ratio` of the input's size.
        return_indices: also return where in the plane each maximum lies.
        _random_samples: the u of each picture and channel, `(N, C, 2)`, width first.
    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> x = kuai.arange(9.0).reshape(1, 3, 3)
        >>> kuai.nn.functional.fractional_max_pool2d(x, 2, output_size=2)
        tensor([[[4., 5.],
                 [7., 8.]]])

    Reference: Graham, Fractional max-pooling, 2014.
    """
    made = _pooled(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return made if return_indices else made[0]


@composite(function=False, method=False, functional=True)
def fractional_max_pool3d_with_indices(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """`fractional_max_pool3d` with the places of the maxima, whatever `return_indices` says.

    Example:
        >>> pool = kuai.nn.functional.fractional_max_pool3d_with_indices
        >>> pool(kuai.arange(8.0).reshape(1, 2, 2, 2), 2, output_size=1)
        (tensor([[[[7.]]]]), tensor([[[[7]]]]))
    """
    return _pooled(3, input, kernel_size, output_size, output_ratio, _random_samples)


@composite(function=False, method=False, functional=True)
def fractional_max_pool3d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """As `fractional_max_pool2d`, for volumes.

    Shape: (N, C, T, H, W) or (C, T, H, W); `_random_samples` (N, C, 3), T first.

    Example:
        >>> x = kuai.ones(1, 4, 4, 4)
        >>> kuai.nn.functional.fractional_max_pool3d(x, 2, output_ratio=0.5).shape
        torch.Size([1, 2, 2, 2])
    """
    made = _pooled(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return made if return_indices else made[0]
