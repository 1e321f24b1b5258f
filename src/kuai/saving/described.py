"""Tensors and PyTorch's other objects as calls that rebuild them, and the storages they share.

A tensor is described by offset, sizes and strides on its storage. Ours are worked out from the
steps that lead to a view; if they do not give the view's very bytes (PyTorch could not express it,
either), the view is saved as a tensor with a storage of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.attributes import users
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.formats import layout, qscheme
from kuai.engine.tensor.layouts import Layout, layout_of
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.storage import resolve
from kuai.engine.tensor.views import value
from kuai.errors import UnsavableObjectError
from kuai.nn.parameter import Buffer, Parameter, is_lazy
from kuai.saving import asked_places
from kuai.saving.element_types import STORAGE_OF_DTYPE, UNTYPED
from kuai.saving.pickling import ORDERED_DICT, Call, Global, Persistent
from kuai.saving.strided import contiguous, extent

__all__ = ["Description", "OldDescription", "parameter_call", "state_call", "tensor_call"]

_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
_TENSOR_WITH_DTYPE = Global("torch._utils", "_rebuild_tensor_v3")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_PARAMETER_WITH_STATE = Global("torch._utils", "_rebuild_parameter_with_state")
_WITH_STATE = Global("torch._tensor", "_rebuild_from_type_v2")
_SPARSE = Global("torch._utils", "_rebuild_sparse_tensor")
_LAYOUT = Global("torch.serialization", "_get_layout")


class Description:
    """Describes the objects of one file and collects their storages."""

    def __init__(self) -> None:
        self._keys: dict[int, str] = {}
        self._kept: list = []  # so that an identity is not given away while it is a key
        self._arrays: list = []

    def __call__(self, obj: Any) -> Global | Call | None:
        """What stands for an object in the file; None if there is nothing."""
        if isinstance(obj, dtype):
            return Global("torch", obj.name)
        if isinstance(obj, layout):
            return Call(_LAYOUT, (str(obj),))
        if isinstance(obj, qscheme):
            return Global("torch", str(obj).removeprefix("torch."))
        if isinstance(obj, Size):
            return Call(Global("torch", "Size"), (tuple(obj),))
        if isinstance(obj, device):
            return Call(Global("torch", "device"), _device_arguments(obj))
        return self._any_tensor(obj) if isinstance(obj, Tensor) else None

    def contents(self) -> Iterator[tuple[str, memoryview]]:
        """The storages' names and bytes."""
        for key, array in enumerate(self._arrays):
            yield str(key), _flat(array).view(np.uint8).data

    def _any_tensor(self, tensor: Tensor) -> Call | None:
        if tensor._specified is not None:
            return self._sparse(tensor)
        if is_lazy(tensor):
            raise UnsavableObjectError(
                "cannot save an uninitialized parameter or buffer: it has no values yet. Call the "
                "module once, so that it gets a shape"
            )
        kinds = {Tensor: self._plain, Parameter: self._parameter, Buffer: self._with_state}
        describe = kinds.get(type(tensor))
        return describe and describe(tensor)

    def _sparse(self, tensor: Any) -> Call:
        """A tensor of few elements, by its layout and the dense tensors that it holds."""
        name = str(tensor.layout)
        parts = (*tensor._places, tensor._specified.detach(), Size(tensor.shape))
        if name == "torch.sparse_coo":
            parts = (*parts, tensor.is_coalesced())
        return Call(_SPARSE, (Call(_LAYOUT, (name,)), parts))

    def _plain(self, tensor: Tensor) -> Call:
        return self._with_state(tensor) if _attributes(tensor) else self._tensor(tensor)

    def _parameter(self, tensor: Parameter) -> Call:
        data = self._tensor(tensor.data)
        return parameter_call(data, tensor.requires_grad, _attributes(tensor))

    def _with_state(self, tensor: Tensor) -> Call:
        state = _attributes(tensor)
        if isinstance(tensor, Buffer):
            state = {**state, "persistent": tensor.persistent, "_is_buffer": True}
        return state_call(self._tensor(tensor), state)

    def _tensor(self, tensor: Tensor) -> Call:
        key, count, window = self._storage(tensor)
        place = (key, count, _location(tensor))
        return self._call(tensor.dtype, place, window, tensor.requires_grad)

    def _call(self, *described: Any) -> Call:
        return tensor_call(*described)

    def _storage(self, tensor: Tensor) -> tuple[str, int, Layout]:
        """The key and length of a tensor's storage, and its window there."""
        storage: Any = resolve(tensor._storage)
        window = layout_of(tensor)
        if not _gives(tensor, storage.array, window):
            array = value(tensor)
            return self._key(array, array), array.size, contiguous(array.shape)
        return self._key(storage, storage.array), storage.array.size, window

    def _key(self, owner: Any, array: Any) -> str:
        if id(owner) not in self._keys:
            self._keys[id(owner)] = str(len(self._arrays))
            self._kept.append(owner)
            self._arrays.append(array)
        return self._keys[id(owner)]


class OldDescription(Description):
    """For the format before 1.6, where identities of storages end with None."""

    def __init__(self) -> None:
        super().__init__()
        self._lengths: dict[str, int] = {}

    def counted_contents(self) -> Iterator[tuple[str, int, memoryview]]:
        """The storages' names, lengths and bytes."""
        for key, content in self.contents():
            yield key, self._lengths[key], content

    def _call(self, *described: Any) -> Call:
        function, (stored, *parts) = tensor_call(*described)
        self._lengths[stored.identity[2]] = stored.identity[4]
        return Call(function, (Persistent((*stored.identity, None)), *parts))


def tensor_call(
    kind: dtype, place: tuple[str, int, str], window: Layout, requires_grad: bool
) -> Call:
    """What rebuilds a tensor on a storage, given by key, number of elements and location."""
    key, count, location = place
    name = STORAGE_OF_DTYPE.get(kind)
    length = count if name else count * kind.itemsize
    storage_type = Global("torch", name) if name else Global("torch.storage", UNTYPED)
    identity = ("storage", storage_type, key, location, length)
    parts = (window.offset, window.shape, window.strides, requires_grad, ORDERED_DICT)
    if name:
        return Call(_TENSOR, (Persistent(identity), *parts))
    return Call(_TENSOR_WITH_DTYPE, (Persistent(identity), *parts, kind))


def parameter_call(tensor: Call, requires_grad: bool, attributes: dict[str, Any]) -> Call:
    """What rebuilds a parameter on a tensor."""
    parts = (tensor, requires_grad, ORDERED_DICT)
    if attributes:
        return Call(_PARAMETER_WITH_STATE, (*parts, attributes))
    return Call(_PARAMETER, parts)


def state_call(tensor: Call, attributes: dict[str, Any]) -> Call:
    """What rebuilds a tensor with attributes."""
    function, arguments = tensor
    return Call(_WITH_STATE, (function, Global("torch", "Tensor"), arguments, attributes))


def _attributes(tensor: Tensor) -> dict[str, Any]:
    """What the user put on a tensor."""
    return {
        name: value
        for name, value in users(tensor).items()
        if not name.startswith("_") and not hasattr(type(tensor), name)
    }


def _device_arguments(place: device) -> tuple:
    kind = "xla" if place.type == "tpu" else place.type  # PyTorch's name for it
    return (kind,) if place.index is None else (kind, place.index)


def _location(tensor: Tensor) -> str:
    """Where PyTorch shall put the storage; what it could not find goes to the CPU."""
    own = str(tensor.device) if tensor.device.type == "cuda" else "cpu"
    return asked_places.tagged(tensor, own) if asked_places.taggers_and_restorers else own


def _gives(tensor: Tensor, array: Any, window: Layout) -> bool:
    """Whether a window on the storage's array gives the tensor's values, bit for bit."""
    if tensor._steps is None:
        return True
    flat, wanted = _flat(array), np.asarray(value(tensor))
    fits = flat.dtype == wanted.dtype and extent(window) <= flat.size >= math.prod(window.shape)
    if not fits or min(window.strides, default=0) < 0:
        return False
    steps = tuple(stride * flat.itemsize for stride in window.strides)
    found = np.lib.stride_tricks.as_strided(flat[window.offset :], window.shape, steps)
    return np.array_equal(_bits(found), _bits(wanted))


def _flat(array: Any) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1)


def _bits(array: np.ndarray) -> np.ndarray:
    return _flat(array).view(np.uint8)
