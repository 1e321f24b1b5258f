"""Convolution and transposed convolution in one, two and three dimensions.

This file checks arguments as PyTorch does; `convolution_kernels` computes.
"""

from typing import Any

import jax.numpy as jnp

from kuai.engine.op import Array, op
from kuai.engine.tensor.promotion import c_name, scalar_name
from kuai.ops.accumulation import spread
from kuai.ops.dimensions import each_expanded
from kuai.ops.nn.convolution_kernels import Window, convolve, convolve_transposed

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

_options: dict[str, Any] = dict(
    functional=True, method=False, grad="ConvolutionBackward0", autocast="lower"
)
_convolution_op = op(**_options, materializes=True)
_transposed_op = op(**_options)


@_convolution_op
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
):
    """Cross-correlate a signal with each of O kernels; see `conv2d`.

    Shape: input (N, C, L) or (C, L), weight (O, C / groups, K), result (N, O, L') or (O, L').

    Example:
        >>> x = kuai.tensor([[[1.0, 2.0, 4.0, 8.0]]])
        >>> kuai.conv1d(x, kuai.tensor([[[-1.0, 1.0]]]))
        tensor([[[1., 2., 4.]]])
    """
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@_convolution_op
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
):
    """Cross-correlate an image with each of O kernels.

    Y[o, i, j] = bias[o] + sum over c, a, b of X[c, i s + a d - p, j s + b d - p] W[o, c, a, b]
    with stride s, dilation d, padding p.

    Args:
        padding: zeros on each side, or 'valid' (none), or 'same' (as many as keep the size).
        groups: input and output channels are split into groups that do not see each other.
    Shape: input (N, C, H, W) or (C, H, W), weight (O, C / groups, kH, kW), result (N, O, H', W')
        with H' = floor((H + 2 p - d (kH - 1) - 1) / s) + 1.

    Example:
        >>> kuai.conv2d(kuai.ones(1, 1, 3, 3), kuai.ones(1, 1, 2, 2))
        tensor([[[[4., 4.],
                  [4., 4.]]]])

    Reference: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@_convolution_op
def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
):
    """Cross-correlate a volume with each of O kernels; see `conv2d`.

    Shape: input (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, kD, kH, kW).

    Example:
        >>> kuai.conv3d(kuai.ones(1, 4, 4, 4), kuai.ones(2, 1, 3, 3, 3)).shape
        torch.Size([2, 2, 2, 2])
    """
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@_transposed_op
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
):
    """The transpose of `conv1d`; see `conv_transpose2d`.

    Shape: input (N, C, L) or (C, L), weight (C, O / groups, K).

    Example:
        >>> kuai.conv_transpose1d(kuai.tensor([[1.0, 2.0]]), kuai.ones(1, 1, 2), stride=2)
        tensor([[1., 1., 2., 2.]])
    """
    numbers = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose1d", 1, input, weight, bias, *numbers)


@_transposed_op
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
):
    """Spread every input element over the output, weighted by a kernel: the transpose of `conv2d`.

    Args:
        padding: how much is cut off the result on each side.
        output_padding: rows and columns added at the end, for sizes that a stride leaves open.
    Shape: input (N, C, H, W) or (C, H, W), weight (C, O / groups, kH, kW), result (N, O, H', W')
        with H' = (H - 1) s - 2 p + d (kH - 1) + output_padding + 1.

    Example:
        >>> kuai.conv_transpose2d(kuai.ones(1, 1, 2, 2), kuai.ones(1, 1, 2, 2))
        tensor([[[[1., 2., 1.],
                  [2., 4., 2.],
                  [1., 2., 1.]]]])

    Reference: Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016.
    """
    numbers = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose2d", 2, input, weight, bias, *numbers)


@_transposed_op
def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
):
    """The transpose of `conv3d`; see `conv_transpose2d`.

    Shape: input (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, kD, kH, kW).

    Example:
        >>> kuai.conv_transpose3d(kuai.ones(1, 2, 2, 2), kuai.ones(1, 3, 2, 2, 2), stride=2).shape
        torch.Size([3, 4, 4, 4])
    """
    numbers = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose3d", 3, input, weight, bias, *numbers)


# What all of them do ------------------------------------------------------------------------------


def _convolution(name, dims, x, weight, bias, stride, padding, dilation, groups):
    x, batched = _batched(name, dims, x)
    _check_dimensions(x, weight, padding)
    stride, dilation = each_expanded(stride, dims), each_expanded(dilation, dims)
    padding = _pad_sizes(padding, dims, weight.shape[2:], stride, dilation)
    _check_numbers(weight, groups, stride=stride, padding=padding, dilation=dilation)
    _check_weight(x, weight, bias, groups, transposed=False)
    window = Window(stride, padding, dilation, groups)
    _check_kernel_fits(x.shape[2:], weight.shape[2:], window)
    return _finish(convolve(x, weight, window), bias, batched)


def _transposed(name, dims, x, weight, bias, stride, padding, output_padding, groups, dilation):
    x, batched = _batched(name, dims, x)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    _check_dimensions(x, weight, padding)
    stride, dilation = each_expanded(stride, dims), each_expanded(dilation, dims)
    extra, padding = each_expanded(output_padding, dims), each_expanded(padding, dims)
    numbers = dict(stride=stride, padding=padding, dilation=dilation, output_padding=extra)
    _check_numbers(weight, groups, **numbers)
    _check_weight(x, weight, bias, groups, transposed=True)
    _check_output_padding(extra, stride, dilation)
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(
            x.shape[2:], stride, padding, dilation, weight.shape[2:], extra, strict=True
        )
    )
    if 0 in x.shape[2:]:
        shown = [*x.shape[:2], *(1,) * (dims == 1), *x.shape[2:]]
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {shown}"
        )
    if min(sizes) < (0 if jnp.issubdtype(x.dtype, jnp.inexact) else 1):
        raise RuntimeError(
            f"Given input size per channel: ({_by(_as_picture(x.shape[2:], 1))}). Calculated "
            f"output size per channel: ({_by(_as_picture(sizes, 1))}). Output size is too small"
        )
    window = Window(stride, tuple((p, p) for p in padding), dilation, groups)
    return _finish(convolve_transposed(x, weight, window, sizes), bias, batched)


def _batched(name, dims, x):
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, "
            f"but got input of size: {list(x.shape)}"
        )
    return (x, True) if x.ndim == dims + 2 else (x[None], False)


def _finish(y, bias, batched):
    if bias is not None:
        y = _add_bias(y, bias)
    return y if batched else y[0]


def _add_bias(y, bias):
    bias = bias.astype(y.dtype).reshape(1, -1, *(1,) * (y.ndim - 2))
    # a number for each channel is one that a convolution's kernel may add (see `epilogues`)
    return y + (bias if y.dtype.itemsize > 2 else spread(bias, y.shape))


def _pad_sizes(padding, dims, kernel, stride, dilation):
    """(before, after) for each dimension."""
    if not isinstance(padding, str):
        return tuple((pad, pad) for pad in each_expanded(padding, dims))
    if padding == "valid":
        return ((0, 0),) * dims
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def _check_dimensions(x, weight, padding):
    """A signal's stride goes with every kernel, so PyTorch comes to compare the dimensions."""
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if weight.ndim != x.ndim and (x.ndim == 3 or isinstance(padding, str)):
        space = "" if isinstance(padding, str) else " "
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional "
            f"weight{space}{list(weight.shape)}, but got {x.ndim}-dimensional input of size "
            f"{list(x.shape)} instead"
        )


def _check_numbers(weight, groups, **numbers):
    """Lengths and signs, in PyTorch's order."""
    dims = weight.ndim - 2
    for name, values in numbers.items():
        values = [v[0] if isinstance(v, tuple) else v for v in values]
        if len(values) != dims:
            raise RuntimeError(
                f"expected {name} to be a single integer value or a list of {dims} values to match "
                f"the convolution dimensions, but got {name}={values}"
            )
        if "padding" in name and min(values) < 0:
            raise RuntimeError(f"negative {name} is not supported")
        if name == "dilation" and min(values) < 0:
            raise RuntimeError("dilation should be greater than zero")
        if "padding" not in name and min(values) <= 0:
            raise RuntimeError(f"non-positive {name} is not supported")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")


def _check_weight(x, weight, bias, groups, transposed):
    shape = list(weight.shape)
    _check_same_types(x, weight, bias, transposed)
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {shape} instead"
        )
    if 0 in shape[2:]:
        raise RuntimeError(f"kernel size should be greater than zero, but got {shape[2:]}")
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{shape}] instead"
        )
    given = "transposed=1" if transposed else f"groups={groups}"
    wanted = shape[0] if transposed else shape[1] * groups
    if x.shape[1] != wanted:
        raise RuntimeError(
            f"Given {given}, weight of size {shape}, expected input{list(x.shape)} to have "
            f"{wanted} channels, but got {x.shape[1]} channels instead"
        )
    outputs = shape[1] * groups if transposed else shape[0]
    if bias is not None and bias.shape != (outputs,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {shape}, expected bias "
            f"to be 1-dimensional with {outputs} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )


def _check_kernel_fits(sizes, kernel, window):
    padded = [size + sum(pad) for size, pad in zip(sizes, window.padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, window.dilation, strict=True)]
    if any(size < length for size, length in zip(padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_by(padded)}). Kernel size: "
            f"({_by(reach)}). Kernel size can't be greater than actual input size"
        )


def _check_output_padding(extra, stride, dilation):
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        kinds = {
            "output_padding": _as_picture(extra, 0),
            "stride": _as_picture(stride, 1),
            "dilation": _as_picture(dilation, 1),
        }
        names = ("depth", "height", "width")[3 - max(2, len(extra)) :]
        numbers = [
            f"{kind}_{name}: {value}"
            for kind, values in kinds.items()
            for name, value in zip(names, values, strict=True)
        ]
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            + " ".join(numbers)
        )


def _as_picture(numbers, first):
    """A signal is a picture of one row in PyTorch's texts."""
    return (first, *numbers) if len(numbers) == 1 else tuple(numbers)


def _by(sizes):
    return " x ".join(map(str, sizes))


_TYPES = {
    "float32": "torch.FloatTensor",
    "float64": "torch.DoubleTensor",
    "float16": "torch.HalfTensor",
    "int64": "torch.LongTensor",
    "int32": "torch.IntTensor",
    "int16": "torch.ShortTensor",
    "int8": "torch.CharTensor",
    "uint8": "torch.ByteTensor",
}


def _tensor_type(x):
    return _TYPES.get(x.dtype.name, f"CPU{scalar_name(x.dtype)}Type")


def _check_same_types(x, weight, bias, transposed):
    """PyTorch's words: they depend on which of its kernels would have been asked."""
    bias = x if bias is None else bias
    strange_bias = bias.dtype != x.dtype
    if strange_bias and not transposed:
        raise RuntimeError(
            f"Input type ({c_name(x.dtype)}) and bias type ({c_name(bias.dtype)}) should be the "
            "same"
        )
    if not strange_bias and weight.dtype == x.dtype:
        return
    name, other = ("weight", weight) if weight.dtype != x.dtype else ("bias", bias)
    fast = x.dtype.name in ("float32", "bfloat16")  # oneDNN's kernels would have been asked
    if not fast and name == "bias" and x.dtype.name in ("float64", "float16"):
        return
    if not fast and x.dtype.kind != "c":
        raise RuntimeError(
            f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(other.dtype)}"
        )
    dense = f" or input should be a MKLDNN tensor and {name} is a dense tensor" if fast else ""
    raise RuntimeError(
        f"Input type ({_tensor_type(x)}) and {name} type ({_tensor_type(other)}) should be the "
        f"same{dense}"
    )
