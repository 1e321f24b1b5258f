"""Sliding blocks of pictures as columns, and columns summed into pictures again.

Both go along the height and then along the width. A window of kH by kW is kH + kW shifted slices,
and its transpose as many padded sums; neither gathers or scatters.
"""

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.dimensions import each_expanded

__all__ = ["fold", "unfold"]


def _pairs(**given):
    """Each argument as two numbers, checked as PyTorch does."""
    made = {}
    for name, value in given.items():
        pair = each_expanded(value, 2)
        if len(pair) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(pair)}")
        made[name] = tuple(int(number) for number in pair)
    _check_signs(made)
    return made


_WORDS = {
    "kernel_size": ("kernel size should be greater than zero", "kernel", 1),
    "dilation": ("dilation should be greater than zero", "dilation", 1),
    "padding": ("padding should be non-negative", "pad", 0),
    "stride": ("stride should be greater than zero", "stride", 1),
}


def _check_signs(pairs):
    for name, (text, short, least) in _WORDS.items():
        height, width = pairs[name]
        if min(height, width) < least:
            raise RuntimeError(f"{text}, but got {short}_height: {height} {short}_width: {width}")


def _counts(sizes, pairs):
    """How many blocks fit along height and width."""
    numbers = zip(sizes, *(pairs[name] for name in _WORDS), strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in numbers)


def _check_kind(name, input):
    if jnp.issubdtype(input.dtype, jnp.inexact) or input.dtype == jnp.bool_:
        return
    raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(input.dtype)}'")


# Columns of a picture -----------------------------------------------------------------------------


@op(function=False, method=False, functional=True, grad="Im2ColBackward0")
def unfold(input: Array, kernel_size, dilation=1, padding=0, stride=1):
    """Every block that a window of `kernel_size` covers, as a column.

    Column l, row (c, a, b) is X[c, i s + a d - p, j s + b d - p] for the l-th place (i, j).

    Args:
        dilation, padding, stride: d, p and s; one number, or one for height and one for width.
    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C·kH·kW, L)` or `(C·kH·kW, L)` with
        L = H'·W', H' = floor((H + 2 p - d (kH - 1) - 1) / s) + 1.

    Example:
        >>> x = kuai.arange(6.0).reshape(1, 2, 3)
        >>> kuai.nn.functional.unfold(x, (2, 2))
        tensor([[0., 1.],
                [1., 2.],
                [3., 4.],
                [4., 5.]])
    """
    pairs = _pairs(kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    counts = _counts(input.shape[-2:], pairs)
    if min(counts) < 1:
        raise RuntimeError(_no_blocks(input.shape[-2:], pairs, counts))
    _check_kind("im2col_out_cpu", input)
    axis = input.ndim - 2
    columns = input
    for at in (0, 1):  # (…, kH, H', W), then (…, kH, H', kW, W')
        columns = _slices(columns, axis + 2 * at, at, counts, pairs)
    columns = jnp.swapaxes(columns, -3, -2)  # (…, kH, kW, H', W')
    rows = input.shape[-3] * pairs["kernel_size"][0] * pairs["kernel_size"][1]
    return columns.reshape(*input.shape[:-3], rows, counts[0] * counts[1])


def _no_blocks(sizes, pairs, counts):
    given = ", ".join(f"{name}={pairs[name]}" for name in ("kernel_size", "dilation", "padding"))
    return (
        f"Given input with spatial size {tuple(sizes)}, {given}, calculated shape of the array of "
        f"sliding blocks as {counts}, but its components must be at least one."
    )


def _slices(x, axis, at, counts, pairs):
    """The elements at each place of the window, a new dimension before `axis`."""
    kernel, dilation, padding, stride = (pairs[name][at] for name in _WORDS)
    around = [(0, 0)] * x.ndim
    around[axis] = (padding, padding)
    x = jnp.pad(x, around)
    extent = (counts[at] - 1) * stride + 1
    starts = [number * dilation for number in range(kernel)]
    taken = [lax.slice_in_dim(x, start, start + extent, stride, axis) for start in starts]
    return jnp.stack(taken, axis)


# A picture of columns -----------------------------------------------------------------------------


@op(function=False, method=False, functional=True, grad="Col2ImBackward0")
def fold(input: Array, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of blocks, given as columns, at the places that `unfold` takes them from.

    Shape:
        input `(N, C·kH·kW, L)` or `(C·kH·kW, L)`; output `(N, C, *output_size)` or
        `(C, *output_size)`.

    Example:
        >>> ones = kuai.nn.functional.unfold(kuai.ones(1, 2, 3), (2, 2))
        >>> kuai.nn.functional.fold(ones, (2, 3), (2, 2))
        tensor([[[1., 2., 1.],
                 [1., 2., 1.]]])
    """
    size = each_expanded(output_size, 2)
    if len(size) != 2:
        raise RuntimeError(f"It is expected output_size equals to 2, but got size {len(size)}")
    pairs = _pairs(kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    counts = _counts(size, pairs)
    _check_columns(input, tuple(size), pairs, counts)
    _check_kind("col2im_out_cpu", input)
    height, width = pairs["kernel_size"]
    channels = input.shape[-2] // (height * width)
    picture = input.reshape(*input.shape[:-2], channels, height, width, *counts)
    if picture.dtype.itemsize == 2:
        picture = picture.astype(jnp.float32)
    picture = _summed(jnp.swapaxes(picture, -3, -2), 1, size, pairs)  # (…, kH, H', W)
    return _summed(picture, 0, size, pairs).astype(input.dtype)


def _check_columns(input, size, pairs, counts):
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    kernel = pairs["kernel_size"]
    if input.shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={input.shape[-2]} and kernel_size={kernel}."
        )
    if input.shape[-1] != counts[0] * counts[1] or min(counts) < 1:
        given = ", ".join(f"{name}={pairs[name]}" for name in _WORDS)
        raise RuntimeError(
            f"Given output_size={size}, {given}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {counts[0]} * {counts[1]} = "
            f"{counts[0] * counts[1]}, but got input.size(2)={input.shape[-1]}."
        )


def _summed(x, at, size, pairs):
    """The transpose of `_slices`, for the place's dimension and the window's before it."""
    kernel, dilation, padding, stride = (pairs[name][at] for name in _WORDS)
    axis = x.ndim - 3 + at
    total = size[at] + 2 * padding
    extent = (x.shape[axis + 1] - 1) * stride + 1
    parts = []
    for number in range(kernel):
        low = number * dilation
        config = [(0, 0, 0)] * (x.ndim - 1)
        config[axis] = (low, total - extent - low, stride - 1)
        part = lax.index_in_dim(x, number, axis, keepdims=False)
        parts.append(lax.pad(part, jnp.zeros((), x.dtype), config))
    made = parts[0]
    for part in parts[1:]:
        made = (made | part) if x.dtype == bool else made + part
    return lax.slice_in_dim(made, padding, padding + size[at], axis=axis)
