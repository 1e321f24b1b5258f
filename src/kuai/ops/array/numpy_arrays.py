"""Tensors on the memory of NumPy arrays, and NumPy arrays on the memory of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, devices, from_array, modes
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.layouts import contiguous_strides, layout_of
from kuai.engine.tensor.memory import first_byte
from kuai.engine.tensor.numpy_memory import export, lying_in, may_be_exported
from kuai.engine.tensor.views import is_read_anew
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops.array.nested import supported
from kuai.ops.array.strided import as_strided

__all__ = ["gathered_in_memory", "memory_of", "on_memory", "shared_array"]

_READ_ONLY = (
    "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. "
    "Kuai gives the tensor a copy of the values. This type of warning will be suppressed for the "
    "rest of this program."
)


def on_memory(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A tensor on the CPU that has the memory of a NumPy array.

    An array that cannot be written to is copied, with a warning.

    Raises:
        TypeError: no tensor has elements of this kind.
        ValueError: a stride is negative, or no multiple of the size of an element, or the bytes are
            in the order of another kind of machine.
    """
    _check_layout(array)
    supported(array)
    if not array.flags.writeable:
        warn_once(_READ_ONLY, stacklevel=4)
        return from_array(np.array(array), "cpu", requires_grad)
    if modes.state.capture is not None:
        return from_array(np.array(array), None, requires_grad)
    made: Any = object.__new__(Tensor)
    place = devices.jax_device(devices.CPU)
    strides = tuple(stride // array.itemsize for stride in array.strides)
    if strides == contiguous_strides(array.shape):
        made._storage = lying_in(array, place)
    else:
        made._storage = lying_in(_span(array), place)
        made = as_strided(made, array.shape, strides).detach()
    return made.requires_grad_() if requires_grad else made


def _check_layout(array):
    if any(stride < 0 for stride in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().) "
        )
    if any(stride % array.itemsize for stride in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory."
        )
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )


def _span(array: np.ndarray) -> np.ndarray:
    """The elements from an array's first one to its last one, in a row."""
    strides = [stride // array.itemsize for stride in array.strides]
    pairs = zip(array.shape, strides, strict=True)
    length = 0 if 0 in array.shape else 1 + sum((size - 1) * stride for size, stride in pairs)
    owner: Any = array.base
    if type(owner) is np.ndarray and owner.flags.c_contiguous and length:
        # a view of the owner itself, so that it is known who else has it
        rows = owner.reshape(-1).view(np.uint8)
        first = first_byte(array) - first_byte(owner)
        if first + length * array.itemsize <= rows.size:
            return rows[first : first + length * array.itemsize].view(array.dtype)
    if array.T.flags.c_contiguous:
        return array.T.reshape(-1)
    return np.lib.stride_tricks.as_strided(array, (length,), (array.itemsize,))


def shared_array(tensor: Tensor, what: str = "numpy()") -> np.ndarray:
    """The values of a tensor as a NumPy array, which has the tensor's memory where it can.

    Where the values lie on several devices, the array is a copy that cannot be written to.
    """
    if modes.state.capture is None and not tensor._storage.is_array:
        tensor._storage.lend()
        return export(tensor._storage, layout_of(tensor), tensor.dtype.jax)
    found = concrete(tensor, what)
    if modes.state.capture is not None or not may_be_exported(tensor._storage):
        return found
    return export(tensor._storage, layout_of(tensor), found.dtype)


def memory_of(tensor: Tensor) -> np.ndarray | None:
    """What a tensor reads, where it lies in memory that others write to; None where it does not.

    The array is the memory itself.
    """
    storage = tensor._storage
    if storage.is_array or not is_read_anew(tensor):
        return None
    return export(storage, layout_of(tensor), storage.outline.dtype)


def gathered_in_memory(tensor: Tensor, places: Sequence[int], indices: Sequence[Tensor]) -> Any:
    """The elements at integer indices of some dimensions of a tensor in NumPy's memory.

    None where the tensor lies elsewhere, or where more is to be done than to read: a large data set
    need not be compared with what it was for the sake of a few rows.
    """
    memory = None if modes.state.recorder is not None else memory_of(tensor)
    if memory is None:
        return None
    spots: list[Any] = [slice(None)] * memory.ndim
    for place, index in zip(places, indices, strict=True):
        spots[place] = concrete(index, "an index")
    return from_array(memory[tuple(spots)], tensor.device)
