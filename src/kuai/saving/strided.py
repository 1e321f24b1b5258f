"""Tensors as windows of strides on the storage they were saved with.

PyTorch saves a tensor as offset, sizes and strides on a flat storage. Where these are what a slice,
a reshape and a permutation give, the loaded tensor is such a view; else it gathers its elements.
What a view shows at first is read by NumPy: XLA would compile a program for each new size, and a
file can hold very many.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.autograd import inplace
from kuai.engine.op import Array, view_op
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.layouts import Layout, contiguous_strides
from kuai.engine.tensor.views import Step, value
from kuai.ops.array.windows import permuted, sliced, viewed

__all__ = ["contiguous", "extent", "is_whole", "window_on"]

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


def is_whole(base: Tensor, window: Layout) -> bool:
    """Whether a window shows a contiguous base as it is."""
    return window.shape == tuple(base.shape) and window.offset == 0 and window.is_contiguous


def window_on(base: Tensor, window: Layout) -> Tensor:
    """A tensor on the storage of a contiguous base."""
    if is_whole(base, window):
        return Tensor._share(base)
    count = math.prod(window.shape)
    steps: list[tuple] = [] if base.ndim == 1 else [(viewed, (math.prod(base.shape),))]
    order = sorted(range(len(window.shape)), key=lambda dim: -window.strides[dim])
    sizes = tuple(window.shape[dim] for dim in order)
    sorted_window = Layout(sizes, tuple(window.strides[dim] for dim in order))
    if not sorted_window.is_contiguous:
        return _viewed(base, [*steps, (gathered, window.shape, window.strides, window.offset)])
    steps += [(sliced, 0, window.offset, count, 1), (viewed, sizes)]
    if order != sorted(order):
        steps.append((permuted, tuple(order.index(dim) for dim in range(len(order)))))
    return _viewed(base, steps)


def _viewed(base: Tensor, steps: list[tuple]) -> Tensor:
    """What view operations give, each with its arguments, one after the other."""
    if base.device.type != "cpu":
        return functools.reduce(lambda part, step: step[0](part, *step[1:]), steps, base)
    read = np.asarray(value(base))
    for view, *arguments in steps:
        read = _READERS[view](read, *arguments)
    first, *others = (_step(base, *step) for step in steps)
    made = inplace.window(from_array(read, base.device), base, first)
    made._steps += tuple(others)
    return made


def _step(base: Tensor, view, *arguments) -> Step:
    values, key = view.operation.flatten((base, *arguments))
    return Step(view.operation, key, tuple(values[1:]))


def _read_sliced(array, dim, start, count, step):
    return array[start : start + count]


def _read_gathered(array, shape, strides, offset):
    steps = tuple(stride * array.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(array[offset:], shape, steps, writeable=False)


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


_READERS = {
    viewed: np.reshape,
    sliced: _read_sliced,
    permuted: np.transpose,
    gathered: _read_gathered,
}


def contiguous(shape) -> Layout:
    """The window of a tensor that has a storage of its own."""
    return Layout(tuple(shape), contiguous_strides(shape))
