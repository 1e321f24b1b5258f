"""Pooling: the largest, mean or norm of the elements in a moving window.

This file checks arguments as PyTorch does; `pooling_kernels` computes.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import Tensor, dtypes
from kuai.ops.accumulation import in_wide
from kuai.ops.dimensions import each_expanded
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, magnitude, refuse
from kuai.ops.nn.pooling_kernels import maximum, positions, total
from kuai.ops.nn.pooling_windows import adaptive_spans, pool_spans

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


# The largest element ------------------------------------------------------------------------------


@op(functional=True, method=False, grad="SqueezeBackward1")
def max_pool1d(
    input: Array,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
):
    """The largest element of each window of a signal; see `max_pool2d`.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.max_pool1d(kuai.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    name = "max_pool1d_with_indices" if return_indices else "max_pool1d"
    spans = pool_spans(name, input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if return_indices:
        refuse("max_pool2d", input, BOOL, COMPLEX)
    else:
        refuse("max_pool1d_impl", input, BOOL, INTEGER, COMPLEX)
    return _largest(input, spans, return_indices)


@op(functional=True, method=False, grad="MaxPool2DWithIndicesBackward0")
def max_pool2d(
    input: Array,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
):
    """The largest element of each window of an image.

    Args:
        stride: how far apart the windows are; by default they lie side by side.
        padding: how many elements of minus infinity on each side; at most half the kernel.
        ceil_mode: keep a last window that does not fit whole.
        return_indices: also return where in the plane each maximum lies.
    Shape: (N, C, H, W) or (C, H, W), with H' = floor((H + 2 p - d (kH - 1) - 1) / s) + 1.

    Example:
        >>> x = kuai.tensor([[[1.0, 2.0], [4.0, 3.0]]])
        >>> kuai.nn.functional.max_pool2d(x, 2, return_indices=True)
        (tensor([[[4.]]]), tensor([[[2]]]))
    """
    name = "max_pool2d"
    spans = pool_spans(name, input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    refuse(name, input, BOOL, COMPLEX)
    return _largest(input, spans, return_indices)


@op(
    functional=True, method=False, grad="MaxPool3DWithIndicesBackward0", autocast={"cpu": "float32"}
)
def max_pool3d(
    input: Array,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
):
    """The largest element of each window of a volume; see `max_pool2d`.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.max_pool3d(kuai.ones(1, 4, 4, 4), 2).shape
        torch.Size([1, 2, 2, 2])
    """
    name = "max_pool3d"
    spans = pool_spans(name, input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    refuse(name, input, BOOL, COMPLEX)
    return _largest(input, spans, return_indices)


@op(function=False, functional=True, method=False, grad="SqueezeBackward1")
def adaptive_max_pool1d(input: Array, output_size, return_indices=False):
    """The largest element of each of `output_size` windows that cover a signal.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.functional.adaptive_max_pool1d(kuai.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    spans = adaptive_spans("adaptive_max_pool1d", input.shape, output_size)
    return _largest(_float("adaptive_max_pool2d", input), spans, return_indices)


@op(function=False, functional=True, method=False, grad="AdaptiveMaxPool2DBackward0")
def adaptive_max_pool2d(input: Array, output_size, return_indices=False):
    """The largest element of each of `output_size` windows that cover a image.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.functional.adaptive_max_pool2d(kuai.ones(1, 5, 7), (2, 3)).shape
        torch.Size([1, 2, 3])
    """
    spans = adaptive_spans("adaptive_max_pool2d", input.shape, output_size)
    return _largest(_float("adaptive_max_pool2d", input), spans, return_indices)


@op(
    function=False,
    functional=True,
    method=False,
    grad="AdaptiveMaxPool3DBackward0",
    autocast={"cpu": "float32"},
)
def adaptive_max_pool3d(input: Array, output_size, return_indices=False):
    """The largest element of each of `output_size` windows that cover a volume.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.functional.adaptive_max_pool3d(kuai.ones(1, 4, 4, 4), 2).shape
        torch.Size([1, 2, 2, 2])
    """
    spans = adaptive_spans("adaptive_max_pool3d", input.shape, output_size)
    return _largest(_float("adaptive_max_pool3d_cpu", input), spans, return_indices)


@composite(export="adaptive_max_pool1d")
def adaptive_max_pool1d_with_indices(input, output_size) -> tuple[Tensor, Tensor]:
    """The maxima and where they lie; the function of this name in `nn.functional` gives the maxima.

    Example:
        >>> kuai.adaptive_max_pool1d(kuai.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return adaptive_max_pool1d(input, output_size, return_indices=True)


def _largest(x, spans, return_indices):
    is_adaptive = any(span.lengths is not None for span in spans)  # windows overlap at will
    values = in_wide(lambda wide: maximum(wide, spans), x) if is_adaptive else maximum(x, spans)
    return (values, positions(lax.stop_gradient(x), spans)) if return_indices else values


# The mean -----------------------------------------------------------------------------------------


@op(function=True, functional=True, method=False, grad="SqueezeBackward1")
def avg_pool1d(
    input: Array,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
):
    """The mean of each window of a signal; see `avg_pool2d`.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.functional.avg_pool1d(kuai.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    spans = pool_spans("avg_pool1d", input.shape, kernel_size, stride, padding, 1, ceil_mode)
    refuse("avg_pool2d", input, BOOL, COMPLEX)
    padding = each_expanded(padding, 1)
    return _mean(input, spans, padding, count_include_pad, None)


@op(function=False, functional=True, method=False, grad="AvgPool2DBackward0")
def avg_pool2d(
    input: Array,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The mean of each window of an image.

    Args:
        stride: how far apart the windows are; by default they lie side by side.
        ceil_mode: keep a last window that does not fit whole.
        count_include_pad: divide by the window's size even where it covers padding.
        divisor_override: divide by this number instead.
    Shape: (N, C, H, W) or (C, H, W), with H' = floor((H + 2 p - kH) / s) + 1.

    Example:
        >>> kuai.nn.functional.avg_pool2d(kuai.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
        tensor([[[2.5000]]])
    """
    spans = pool_spans("avg_pool2d", input.shape, kernel_size, stride, padding, 1, ceil_mode)
    refuse("avg_pool2d", input, COMPLEX)
    input = input if input.dtype == jnp.int64 else _float("avg_pool2d", input)
    padding = each_expanded(padding, 2)
    return _mean(input, spans, padding, count_include_pad, divisor_override)


@op(
    function=False,
    functional=True,
    method=False,
    grad="AvgPool3DBackward0",
    autocast={"cpu": "float32"},
)
def avg_pool3d(
    input: Array,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The mean of each window of a volume; see `avg_pool2d`.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.functional.avg_pool3d(kuai.ones(1, 4, 4, 4), 2).shape
        torch.Size([1, 2, 2, 2])
    """
    spans = pool_spans("avg_pool3d", input.shape, kernel_size, stride, padding, 1, ceil_mode)
    refuse("avg_pool3d_out_frame", input, BOOL, COMPLEX)
    padding = each_expanded(padding, 3)
    return _mean(input, spans, padding, count_include_pad, divisor_override)


@op(function=True, functional=True, method=False, grad="SqueezeBackward1")
def adaptive_avg_pool1d(input: Array, output_size):
    """The mean of each of `output_size` windows that cover a signal.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.functional.adaptive_avg_pool1d(kuai.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    spans = adaptive_spans("adaptive_avg_pool1d", input.shape, output_size)
    return _mean(_float("adaptive_avg_pool2d", input), spans, (0,) * 1, True, None)


@op(function=False, functional=True, method=False, grad="AdaptiveAvgPool2DBackward0")
def adaptive_avg_pool2d(input: Array, output_size):
    """The mean of each of `output_size` windows that cover a image.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.functional.adaptive_avg_pool2d(kuai.ones(1, 5, 7), (None, 3)).shape
        torch.Size([1, 5, 3])
    """
    spans = adaptive_spans("adaptive_avg_pool2d", input.shape, output_size)
    return _mean(_float("adaptive_avg_pool2d", input), spans, (0,) * 2, True, None)


@op(
    function=False,
    functional=True,
    method=False,
    grad="AdaptiveAvgPool3DBackward0",
    autocast={"cpu": "float32"},
)
def adaptive_avg_pool3d(input: Array, output_size):
    """The mean of each of `output_size` windows that cover a volume.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.functional.adaptive_avg_pool3d(kuai.ones(1, 4, 4, 4), 2).shape
        torch.Size([1, 2, 2, 2])
    """
    spans = adaptive_spans("adaptive_avg_pool3d", input.shape, output_size)
    return _mean(_float("adaptive_avg_pool3d_cpu", input), spans, (0,) * 3, True, None)


def _mean(x, spans, padding, count_include_pad, divisor):
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    sums = total(x, spans)
    if divisor is not None:
        return _divide(sums, divisor).astype(x.dtype)
    sizes = x.shape[x.ndim - len(spans) :]
    counts = [
        _window_sizes(span, size, pad if count_include_pad else 0)
        for span, size, pad in zip(spans, sizes, padding, strict=True)
    ]
    if all(len(set(count)) <= 1 for count in counts):
        sums = _divide(sums, math.prod(count[0] for count in counts if len(count)))
        return sums.astype(x.dtype)
    product = np.ones((), np.int64)
    for count in counts:
        product = product[..., None] * np.array(count, np.int64)
    return _divide(sums, product).astype(x.dtype)


def _divide(sums, divisor):
    """PyTorch divides integers towards zero."""
    divisor = jnp.asarray(divisor, sums.dtype)
    if jnp.issubdtype(sums.dtype, jnp.inexact):
        return sums / divisor
    return lax.div(*jnp.broadcast_arrays(sums, divisor))


def _window_sizes(span, size, pad):
    """How many elements of each window count: those inside the input and `pad` around it."""
    if span.lengths is not None:
        return span.lengths
    ends = [min(start + span.kernel, size + pad) for start in span.starts]
    return [end - max(start, -pad) for start, end in zip(span.starts, ends, strict=True)]


def _float(name, x):
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return x
    raise NotImplementedError(f"\"{name}\" not implemented for '{_KINDS[str(x.dtype)]}'")


_KINDS = {
    "bool": "Bool",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "uint8": "Byte",
}


# The norm -----------------------------------------------------------------------------------------


@op(
    function=False, functional=True, method=False, grad="PowBackward0", autocast={"cuda": "float32"}
)
def lp_pool1d(input: Array, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x ** norm_type) ** (1 / norm_type) over each window of a signal.

    Shape: (N, C, L) or (C, L).

    Example:
        >>> kuai.nn.functional.lp_pool1d(kuai.tensor([[3.0, 4.0, 0.0, 2.0]]), 2, 2)
        tensor([[5., 2.]])
    """
    return _norm("avg_pool1d", input, norm_type, kernel_size, stride, ceil_mode)


@op(
    function=False, functional=True, method=False, grad="PowBackward0", autocast={"cuda": "float32"}
)
def lp_pool2d(input: Array, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x ** norm_type) ** (1 / norm_type) over each window of a image.

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.functional.lp_pool2d(kuai.ones(1, 2, 2), 2, 2)
        tensor([[[2.]]])
    """
    return _norm("avg_pool2d", input, norm_type, kernel_size, stride, ceil_mode)


@op(
    function=False, functional=True, method=False, grad="PowBackward0", autocast={"cuda": "float32"}
)
def lp_pool3d(input: Array, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x ** norm_type) ** (1 / norm_type) over each window of a volume.

    Shape: (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> kuai.nn.functional.lp_pool3d(kuai.ones(1, 4, 4, 4), 3, 2)
        tensor([[[[2., 2.],
                  [2., 2.]],
        <BLANKLINE>
                 [[2., 2.],
                  [2., 2.]]]])
    """
    return _norm("avg_pool3d", input, norm_type, kernel_size, stride, ceil_mode)


def _norm(name, x, power, kernel, stride, ceil_mode):
    if math.isinf(power):
        spans = pool_spans(name.replace("avg", "max"), x.shape, kernel, stride, 0, 1, ceil_mode)
        size = magnitude(x)
        return maximum(size, spans) if power > 0 else -maximum(-size, spans)
    spans = pool_spans(name, x.shape, kernel, stride, 0, 1, ceil_mode)
    if x.dtype.kind in "biu":  # PyTorch's power is a whole number where the exponent is
        x = x.astype(dtypes.default_float_jax() if isinstance(power, float) else jnp.int64)
    size = math.prod(span.kernel for span in spans)
    powers = _mean(_power(x, power), spans, (0,) * len(spans), True, None) * size
    empty = powers == 0  # the root has no slope there; PyTorch's gradient is zero
    powers = powers.astype(dtypes.default_float_jax()) if powers.dtype.kind == "i" else powers
    return jnp.where(empty, 0, jnp.where(empty, 1, powers) ** (1 / power))


def _power(x, power):
    return lax.integer_pow(x, int(power)) if power == int(power) else x**power
