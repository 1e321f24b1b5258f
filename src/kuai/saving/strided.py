"""Tensors as windows of strides on the storage they were saved with.

PyTorch saves a tensor as offset, sizes and strides on a flat storage. Where these are what a slice,
a reshape and a permutation give, the loaded tensor is such a view; else it gathers its elements.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

from kuai.engine.door import Array, view_op
from kuai.engine.layouts import Layout, contiguous_strides
from kuai.engine.tensor import Tensor
from kuai.ops.windows import permuted, sliced, viewed

__all__ = ["extent", "window_on"]

_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


def extent(window: Layout) -> int:
    """How many elements a storage has to have for this window."""
    if 0 in window.shape:
        return window.offset
    pairs = zip(window.shape, window.strides, strict=True)
    return window.offset + sum((size - 1) * stride for size, stride in pairs) + 1


def window_on(base: Tensor, window: Layout) -> Tensor:
    """A tensor on the storage of a contiguous base."""
    if window.shape == tuple(base.shape) and window.offset == 0 and window.is_contiguous:
        return Tensor._share(base)
    count = math.prod(window.shape)
    flat = base if base.ndim == 1 else viewed(base, (math.prod(base.shape),))
    order = sorted(range(len(window.shape)), key=lambda dim: -window.strides[dim])
    sizes = tuple(window.shape[dim] for dim in order)
    sorted_window = Layout(sizes, tuple(window.strides[dim] for dim in order))
    if not sorted_window.is_contiguous:
        return gathered(flat, window.shape, window.strides, window.offset)
    part = viewed(sliced(flat, 0, window.offset, count, 1), sizes)
    if order == sorted(order):
        return part
    return permuted(part, tuple(order.index(dim) for dim in range(len(order))))


def _places(shape, strides, offset):
    places = jnp.full(shape, offset, jnp.int64)
    for dim, stride in enumerate(strides):
        places += lax.broadcasted_iota(jnp.int64, shape, dim) * stride
    return places


def _overlaps(shape, strides) -> bool:
    """Whether two elements may lie at the same place: a stride does not clear the inner ones."""
    reached = 0
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size > 1 and stride <= reached:
            return True
        reached += (size - 1) * stride
    return False


def _write_gathered(base, part, shape, strides, offset):
    if _overlaps(shape, strides):
        raise RuntimeError(_OVERLAP)
    return base.at[_places(shape, strides, offset)].set(part)


@view_op(
    write=_write_gathered,
    layout=lambda layout, shape, strides, offset: Layout(shape, strides, offset),
    grad="AsStridedBackward0",
    function=False,
    method=False,
)
def gathered(input: Array, shape: tuple, strides: tuple, offset: int) -> jax.Array:
    """The elements of a vector at `offset` + indices · strides."""
    return input[_places(shape, strides, offset)]


def contiguous(shape) -> Layout:
    """The window of a tensor that has a storage of its own."""
    return Layout(tuple(shape), contiguous_strides(shape))
