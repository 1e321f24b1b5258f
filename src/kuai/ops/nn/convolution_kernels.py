"""How a convolution is computed: several formulations of one sum, and the choice between them.

    output[n, o, p] = sum over c, t of weight[o, c, t] * input[n, c, q]
    q = p * stride + t * dilation - padding

XLA's own convolution is as fast as PyTorch's on a GPU, a TPU and for wide 3x3 layers on a CPU. On a
CPU it is several times slower with few input channels, 1x1 kernels, strides and groups, and so are
its gradients. oneDNN's convolution, where it is installed, is fast for nearly all of them. Where it
is not: written as a matrix product over patches, the same sum runs at the speed of XLA's matrix
product, which is very good. `choose` looks at shapes only.

Invariants: every formulation is JAX, linear in the input and in the weight, so forward mode,
reverse mode and any order of derivative work; oneDNN's is made of primitives for which this holds.
`convolve` is a `custom_jvp` for one reason: the tangent is a sum of two linear parts, and each part
may use another formulation than the value, namely the one whose *transpose* is the fast input
gradient or the fast weight gradient.

Why not a `custom_vjp` with hand-written gradients: it would give up forward mode, and each gradient
would need a gradient of its own. Why `jax.default_backend()` and not `lax.platform_dependent`: that
is a `switch`, whose derivative keeps the residuals of both branches.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from kuai.engine.tensor.acceleration import is_whole_program
from kuai.engine.tensor.portable import is_portable
from kuai.ops.accumulation import widened
from kuai.ops.native import channels_last
from kuai.ops.native.xla_convolution import convolve_on_xla

__all__ = ["Window", "convolve", "convolve_transposed"]


class Window(NamedTuple):
    """How a kernel moves over its input; one entry for each spatial dimension."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def output_sizes(self, sizes, kernel):
        """The spatial shape of the output for a spatial input shape."""
        return tuple(
            (size + sum(pad) - dilation * (length - 1) - 1) // stride + 1
            for size, length, stride, pad, dilation in zip(
                sizes, kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve(x, weight, window: Window):
    """Convolve x (N, C, *sizes) with weight (O, C / groups, *kernel)."""
    return choose(x, weight, window).value(x, weight, window)


def _convolve_jvp(window, primals, tangents):
    """d(x * w) = dx * w + x * dw, each part in the formulation that transposes best."""
    (x, weight), (dx, dweight) = primals, tangents
    ways = choose(x, weight, window)
    value = ways.value(x, weight, window)
    parts = []
    if not isinstance(dx, jax.custom_derivatives.SymbolicZero):
        parts.append(ways.input_gradient(dx, weight, window))
    if not isinstance(dweight, jax.custom_derivatives.SymbolicZero):
        parts.append(ways.weight_gradient(x, dweight, window))
    return value, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(value)


convolve.defjvp(_convolve_jvp, symbolic_zeros=True)


def convolve_transposed(x, weight, window: Window, sizes: tuple[int, ...]):
    """The transpose of the convolution that maps (N, O, *sizes) to x: its input gradient."""
    if _is_widened(x):
        return _in_float32(functools.partial(convolve_transposed, sizes=sizes))(x, weight, window)
    channels = weight.shape[1] * window.groups
    x = _as_wide_as_convolved(x, sizes, weight.shape[2:], window)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return _spread_by_kernel(x, weight, window, sizes)
    shape = jax.ShapeDtypeStruct((x.shape[0], channels, *sizes), x.dtype)
    if 0 in shape.shape:
        return jnp.zeros(shape.shape, shape.dtype)
    way = direct
    is_product = _is_pointwise(weight.shape, window) and _on_cpu()
    if channels_last.is_possible(x) and (is_whole_program() or not is_product):
        way = native if x.dtype.itemsize > 2 else _short_input_gradient(channels, window)
    elif is_product:
        way = pointwise
    return jax.linear_transpose(lambda y: way(y, weight, window), shape)(x)[0]


def _as_wide_as_convolved(x, sizes, kernel, window):
    """x with zeros for windows that only see what `output_padding` adds."""
    counts = window.output_sizes(sizes, kernel)
    more = [(0, count - size) for count, size in zip(counts, x.shape[2:], strict=True)]
    return _pad(x, more) if any(map(any, more)) else x


def _spread_by_kernel(x, weight, window, sizes):
    """The same sum for integers, which JAX does not transpose: x spread out, a kernel reversed."""
    inputs, outputs, *kernel = weight.shape
    flipped = jnp.flip(weight, range(2, weight.ndim))
    flipped = flipped.reshape(window.groups, inputs // window.groups, outputs, *kernel)
    flipped = jnp.swapaxes(flipped, 1, 2).reshape(-1, inputs // window.groups, *kernel)
    reach = [d * (k - 1) for d, k in zip(window.dilation, kernel, strict=True)]
    low = [r - pad for r, (pad, _) in zip(reach, window.padding, strict=True)]
    numbers = zip(sizes, reach, low, x.shape[2:], window.stride, strict=True)
    high = [size + r - before - (n - 1) * s - 1 for size, r, before, n, s in numbers]
    return lax.conv_general_dilated(
        x,
        flipped,
        (1,) * len(kernel),
        list(zip(low, high, strict=True)),
        lhs_dilation=window.stride,
        rhs_dilation=window.dilation,
        feature_group_count=window.groups,
    )


# The choice ---------------------------------------------------------------------------------------


class Ways(NamedTuple):
    """The formulation of the value, and those whose transposes are the two gradients."""

    value: Callable
    input_gradient: Callable
    weight_gradient: Callable


# A patch matrix repeats every input element. Beyond 32 MiB of it, fetching fresh pages from the
# operating system costs more than the matrix product saves.
LARGEST_PATCHES = 2**23


def choose(x, weight, window: Window) -> Ways:
    """Pick formulations by shape.

    The ratios are times compared with XLA's convolution: float32, two AVX-512 cores, jax 0.10.
    """
    if not _on_cpu() or not _is_real(x.dtype) or 0 in (*x.shape, *weight.shape):
        return Ways(direct, direct, direct)
    if _is_widened(x):
        return Ways(*map(_in_float32, choose(_wide(x), _wide(weight), window)))
    if x.dtype.itemsize == 2:
        return Ways(native, _short_input_gradient(x.shape[1], window), native)
    ways = _xla_ways(x, weight, window)
    alone = _is_pointwise(weight.shape, window) and not is_whole_program()
    if alone or not channels_last.is_possible(x):
        return ways
    # oneDNN takes 0.2 to 0.9 of the time that XLA's best takes, but for the input gradient of 1 to
    # 3 channels (2.0) and, where transpositions have to be paid for, for a 1x1 kernel (1.5).
    few = weight.shape[1] * window.groups <= 3 and ways.input_gradient is not direct
    return Ways(native, ways.input_gradient if few else native, native)


def _is_real(dtype):
    """Whether it has several ways."""
    return jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize >= 2


def _is_widened(x):
    """Whether it is convolved as float32: 16 bits on a CPU that has no fast way for them."""
    short = _on_cpu() and _is_real(x.dtype) and x.dtype.itemsize == 2
    return short and not channels_last.is_possible(x)


def _short_input_gradient(channels, window):
    """oneDNN's in bfloat16 takes 25 times as long as in float32 for a strided depthwise kernel."""
    is_slow = window.groups == channels > 1 and max(window.stride) > 1
    return _in_float32(native) if is_slow else native


def _wide(x):
    return jax.ShapeDtypeStruct(x.shape, jnp.float32)


def _in_float32(way):
    """A way for 16 bits, of which XLA has no fast one."""

    def convolve_wide(x, weight, window):
        wide = way(x.astype(jnp.float32), weight.astype(jnp.float32), window)
        return wide.astype(x.dtype)

    return convolve_wide


def _xla_ways(x, weight, window: Window) -> Ways:
    outputs, channels, *kernel = weight.shape
    plain = window.groups == 1 and set(window.dilation) == {1}
    if _is_pointwise(weight.shape, window):
        # 1x1: nothing but a matrix product. Value 0.5, input gradient 0.5, weight gradient 0.2.
        return Ways(pointwise, pointwise, pointwise)
    if window.groups == x.shape[1] > 1 and math.prod(kernel) <= 32:
        # Depthwise 3x3: value 0.02, input gradient 0.05, weight gradient 0.25.
        return Ways(depthwise, depthwise, depthwise)
    if window.groups > 1:
        # Groups of 4 channels, 3x3: value 0.8, input gradient 0.3, weight gradient 0.006.
        return Ways(grouped, grouped, grouped)
    if plain and set(window.stride) == {1}:
        block = _block(channels, kernel)
        if block and _patches(x, kernel, window, block) <= LARGEST_PATCHES:
            # Few input channels leave XLA's inner loop nearly empty. Value, input gradient and
            # weight gradient: 1 channel, 5x5: 0.13, 0.15, 0.4; 6 channels, 5x5: 0.6, 0.35, 0.65;
            # 3 channels, 3x3: 0.25, 0.45, 0.8.
            way = functools.partial(blocked, block=block) if block > 1 else patched
            return Ways(way, way, way)
    strided = plain and min(window.stride) > 1 and channels >= 16
    if strided and _patches(x, kernel, window) <= LARGEST_PATCHES:
        # A stride leaves few patches. 3x3, stride 2: value 0.55, weight gradient 0.65.
        return Ways(patched, direct, patched)
    return Ways(direct, direct, direct)


def _block(channels, kernel):
    """How many outputs a side to compute from one patch, or 0 where patches do not pay.

    Neighbouring outputs read nearly the same inputs: a block of 4x4 outputs of a 5x5 kernel needs
    8x8 inputs, so patches are six times smaller, for 2.6 times the multiplications.
    """
    taps = channels * math.prod(kernel)
    if len(kernel) > 2 or taps > 160:
        return 0
    if min(kernel) < 5:
        return 1
    return 4 if channels == 1 else 2


def _patches(x, kernel, window, block=1):
    """How many elements the patch matrix has."""
    outputs = math.prod(window.output_sizes(x.shape[2:], kernel))
    repeated = math.prod((-(-(k - 1) // block) + 1) if block > 1 else k for k in kernel)
    return x.shape[0] * x.shape[1] * outputs * repeated


def _is_pointwise(shape, window):
    unpadded = all(pad == (0, 0) for pad in window.padding)
    return window.groups == 1 and set(shape[2:]) == {1} and unpadded


def _on_cpu():
    return jax.default_backend() == "cpu" and not is_portable()


# The formulations ---------------------------------------------------------------------------------


def direct(x, weight, window: Window):
    """XLA's convolution."""
    return convolve_on_xla(x, weight, window, "NC{}")


def native(x, weight, window: Window):
    """oneDNN's convolution. XLA drops the transpositions between neighbouring layers."""
    y = channels_last.forward(jnp.moveaxis(x, 1, -1), weight, window)
    return jnp.moveaxis(y, -1, 1)


def pointwise(x, weight, window: Window):
    """A 1x1 kernel: one matrix product for each image."""
    x = x[(..., *(slice(None, None, stride) for stride in window.stride))]
    outputs, channels = weight.shape[:2]
    matrix = jnp.broadcast_to(weight.reshape(outputs, channels), (len(x), outputs, channels))
    result = jnp.matmul(matrix, x.reshape(*x.shape[:2], -1))
    return result.reshape(len(x), outputs, *x.shape[2:])


def depthwise(x, weight, window: Window):
    """One channel a group: a sum of shifted inputs, which XLA fuses into one loop."""
    x = _pad(x, window.padding)
    kernel = weight.shape[2:]
    sizes = _padded_output(x.shape[2:], kernel, window)
    factors = weight.reshape(x.shape[1], -1, *kernel)  # (C, O / C, *kernel)
    factors = widened(factors)
    total: Any = 0
    for tap in itertools.product(*map(range, kernel)):
        shifted = _shifted(x, 2, tap, sizes, window)
        factor = factors[(..., *tap)][(None, ..., *(None,) * len(kernel))]
        total = total + shifted[:, :, None] * factor
    return total.astype(x.dtype).reshape(len(x), -1, *sizes)


def grouped(x, weight, window: Window):
    """Patches as in `patched`, and one matrix product for each group."""
    x, groups, taps = jnp.moveaxis(_pad(x, window.padding), 1, -1), window.groups, weight[0, 0].size
    sizes = _padded_output(x.shape[1:-1], weight.shape[2:], window)
    patches = _patches_of(x, weight.shape[2:], sizes, window)
    patches = patches.reshape(-1, taps, groups, weight.shape[1])  # (N * positions, T, G, C / G)
    patches = patches.transpose(2, 0, 1, 3).reshape(groups, -1, taps * weight.shape[1])
    matrices = _channels_last(weight).reshape(taps * weight.shape[1], groups, -1)
    product = patches @ matrices.transpose(1, 0, 2)  # (G, N * positions, O / G)
    product = product.reshape(groups, len(x), *sizes, -1)
    product = jnp.moveaxis(product, -1, 1)  # (G, O / G, N, *sizes)
    product = jnp.moveaxis(product, 2, 0)  # (N, G, O / G, *sizes)
    return product.reshape(len(x), -1, *sizes)


def patched(x, weight, window: Window):
    """Each output's inputs side by side in a row, times the weight as a matrix."""
    x = jnp.moveaxis(_pad(x, window.padding), 1, -1)
    result = _patch_product(x, _channels_last(weight), window)
    return jnp.moveaxis(result, -1, 1)


def blocked(x, weight, window: Window, block: int):
    """Blocks of outputs as channels of a coarser convolution; stride and dilation are 1.

    Blocks of the input become channels ("space to depth"); the weight is laid out once for each
    place an output can have in its block.
    """
    dims, kernel = len(window.stride), weight.shape[2:]
    sizes = window.output_sizes(x.shape[2:], kernel)
    coarse = tuple(-(-(k + block - 1) // block) for k in kernel)
    grid = tuple(-(-size // block) + k - 1 for size, k in zip(sizes, coarse, strict=True))
    result = _patch_product(
        _space_to_depth(x, window, grid, block), _weight_of_blocks(weight, coarse, block), window
    )  # (N, *blocks, block ** dims * O)
    result = result.reshape(*result.shape[: dims + 1], *(block,) * dims, weight.shape[0])
    order = [axis for d in range(dims) for axis in (1 + d, 1 + dims + d)]
    result = result.transpose(0, 2 * dims + 1, *order)  # (N, O, blocks, block, blocks, block)
    result = result.reshape(len(x), weight.shape[0], *(n * block for n in result.shape[2::2]))
    return result[(..., *(slice(size) for size in sizes))]


def _space_to_depth(x, window, grid, block):
    """(N, C, *sizes) padded to whole blocks -> (N, *grid, block ** dims * C)."""
    dims = len(grid)
    padding = [
        (low, count * block - size - low)
        for (low, _), count, size in zip(window.padding, grid, x.shape[2:], strict=True)
    ]
    x = _pad(x, padding)
    x = x.reshape(*x.shape[:2], *itertools.chain(*((count, block) for count in grid)))
    coarse, fine = range(2, 2 + 2 * dims, 2), range(3, 3 + 2 * dims, 2)
    return x.transpose(0, *coarse, *fine, 1).reshape(len(x), *grid, -1)


def _weight_of_blocks(weight, coarse, block):
    """(O, C, *kernel) -> (*coarse, block ** dims * C, block ** dims * O)."""
    dims, kernel = len(coarse), weight.shape[2:]
    room = [n * block - k for n, k in zip(coarse, kernel, strict=True)]
    places = itertools.product(range(block), repeat=dims)
    stacked = jnp.stack(
        [
            _pad(weight, [(at, r - at) for at, r in zip(place, room, strict=True)])
            for place in places
        ]
    )
    stacked = stacked.reshape(*stacked.shape[:3], *itertools.chain(*((n, block) for n in coarse)))
    outer, inner = range(3, 3 + 2 * dims, 2), range(4, 4 + 2 * dims, 2)
    ordered = stacked.transpose(*outer, *inner, 2, 0, 1)
    return ordered.reshape(*coarse, block**dims * weight.shape[1], -1)


def _patch_product(x, weight, window):
    """Convolve channels-last x (N, *sizes, C), already padded, with weight (*kernel, C, O)."""
    kernel = weight.shape[:-2]
    sizes = _padded_output(x.shape[1:-1], kernel, window)
    patches = _patches_of(x, kernel, sizes, window)
    product = patches.reshape(-1, patches.shape[-1]) @ weight.reshape(patches.shape[-1], -1)
    return product.reshape(len(x), *sizes, -1)


def _patches_of(x, kernel, sizes, window):
    """(N, *sizes, taps * C): next to each other what every tap of the kernel sees."""
    taps = itertools.product(*map(range, kernel))
    return jnp.concatenate([_shifted(x, 1, tap, sizes, window) for tap in taps], axis=-1)


def _shifted(x, first, tap, sizes, window):
    """What one tap of the kernel sees: a strided slice along the axes from `first` on."""
    starts, limits, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
    for dim, size in enumerate(sizes):
        axis, stride = first + dim, window.stride[dim]
        starts[axis] = tap[dim] * window.dilation[dim]
        limits[axis] = starts[axis] + (size - 1) * stride + 1
        strides[axis] = stride
    return lax.slice(x, starts, limits, strides)


def _padded_output(sizes, kernel, window):
    return window._replace(padding=((0, 0),) * len(sizes)).output_sizes(sizes, kernel)


def _pad(x, padding):
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * 2 + [(*pad, 0) for pad in padding])


def _channels_last(weight):
    return weight.transpose(*range(2, weight.ndim), 1, 0)
