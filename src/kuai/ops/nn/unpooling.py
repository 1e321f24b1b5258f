"""Unpooling: maxima back at the places they were taken from, zeros everywhere else."""

import math

import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import dtypes
from kuai.engine.tensor.concrete import concrete, is_concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.array.replacing import replaced_at
from kuai.ops.dimensions import each

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _name(input, *rest):
    return f"MaxUnpool{3 if input.ndim == 5 else 2}DBackward0"


@op(function=False, method=False, grad=_name, autocast={"cpu": "float32"})
def _unpool(input: Array, indices: Array, size: tuple):
    """Each element at its index in the flattened last dimensions of `size`."""
    dims = len(size)
    _check(input, indices, dims)
    rows = input.shape[: input.ndim - dims]
    places = indices.reshape(math.prod(rows), math.prod(input.shape[input.ndim - dims :]))
    values = input.reshape(places.shape)
    return _placed(values, places, math.prod(size)).reshape(*rows, *size)


def _placed(values, places, count):
    """Of two elements at one place both get the gradient, as in PyTorch, which only reads there."""
    row = jnp.arange(places.shape[0])[:, None]
    plane = jnp.zeros((places.shape[0], count), values.dtype)
    return replaced_at(plane, (row, places), values)


def _check(input, indices, dims):
    if indices.dtype != jnp.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {scalar_name(indices.dtype)}"
        )
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Input to max_unpooling{dims}d should be a {dims + 1}d or {dims + 2}d Tensor, but got "
            f"a tensor with {input.ndim} dimensions."
        )
    if input.shape != indices.shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    for dim in range(input.ndim - dims - 1, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                f"max_unpooling{dims}d_forward_out_cpu(): Expected input to have non-zero size for "
                f"non-batch dimensions, but got {list(input.shape)} with dimension {dim} being "
                "empty."
            )
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise NotImplementedError(
            f"\"max_unpool{dims}d\" not implemented for '{scalar_name(input.dtype)}'"
        )


def _check_indices(indices, size):
    """Indices that are known on the CPU have to lie inside; in a program one outside is dropped."""
    if not is_concrete(indices) or indices.device.type != "cpu" or not math.prod(indices.shape):
        return
    if indices.dtype is not dtypes.int64:
        return  # refused when the sizes have been looked at
    found = concrete(indices, "max_unpool()")
    outside = found[(found < 0) | (found >= math.prod(size))]
    if outside.size:
        shown = "x".join(map(str, size))
        raise RuntimeError(
            f"Found an invalid max index: {outside[0]} (output volumes are of size {shown})"
        )


def _output_size(input, kernel, stride, padding, wanted):
    dims = len(kernel)
    numbers = zip(input.shape[-dims:], kernel, stride, padding, strict=True)
    sizes = [(n - 1) * s + k - 2 * p for n, k, s, p in numbers]
    if wanted is None:
        return tuple(sizes)
    wanted = tuple(wanted)[2:] if len(wanted) == dims + 2 else tuple(wanted)
    if len(wanted) != dims:
        raise ValueError(
            f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it "
            f"has a length of '{len(wanted)}'"
        )
    for dim, (size, step) in enumerate(zip(sizes, stride, strict=True)):
        if not size - step < wanted[dim] < size + step:
            raise ValueError(
                f'invalid output_size "{wanted}" (dim {dim} must be between {size - step} and '
                f"{size + step})"
            )
    return wanted


def _unpooled(dims, input, indices, kernel_size, stride, padding, output_size):
    kernel, padding = each(kernel_size, dims), each(padding, dims)
    stride = each(stride, dims) if stride is not None else kernel
    size = _output_size(input, kernel, stride, padding, output_size)
    if dims == 3 and min(stride) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(stride)}")
    _check_indices(indices, size)
    if dims == 1:  # one row of a picture, as in PyTorch
        input, indices = input.unsqueeze(-1), indices.unsqueeze(-1)
        return _unpool(input, indices, (*size, 1)).squeeze(-1)
    return _unpool(input, indices, size)


@composite(function=False, method=False, functional=True)
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The partial inverse of `max_pool1d`: zeros but for the maxima; see `max_unpool2d`.

    Shape: input and indices (N, C, L) or (C, L).

    Example:
        >>> x, places = kuai.tensor([[5.0, 7.0]]), kuai.tensor([[1, 2]])
        >>> kuai.nn.functional.max_unpool1d(x, places, 2)
        tensor([[0., 5., 7., 0.]])
    """
    return _unpooled(1, input, indices, kernel_size, stride, padding, output_size)


@composite(function=False, method=False, functional=True)
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The partial inverse of `max_pool2d`: zeros but for the maxima.

    Args:
        indices: where each maximum was, as `max_pool2d(..., return_indices=True)` gives it.
        stride: that of the pooling; the kernel's size by default.
        output_size: the size before pooling, where several have the same pooled size.
    Shape:
        input and indices `(N, C, H, W)` or `(C, H, W)`; output with
        H' = (H - 1) stride - 2 padding + kernel, or as `output_size` says.

    Example:
        >>> x = kuai.tensor([[[1.0, 2.0], [4.0, 3.0]]])
        >>> top, places = kuai.nn.functional.max_pool2d(x, 2, return_indices=True)
        >>> kuai.nn.functional.max_unpool2d(top, places, 2)
        tensor([[[0., 0.],
                 [4., 0.]]])
    """
    return _unpooled(2, input, indices, kernel_size, stride, padding, output_size)


@composite(function=False, method=False, functional=True)
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The partial inverse of `max_pool3d`; see `max_unpool2d`.

    Shape: input and indices (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> x, places = kuai.ones(1, 1, 1, 1), kuai.tensor([[[[7]]]])
        >>> kuai.nn.functional.max_unpool3d(x, places, 2).flatten()
        tensor([0., 0., 0., 0., 0., 0., 0., 1.])
    """
    return _unpooled(3, input, indices, kernel_size, stride, padding, output_size)
