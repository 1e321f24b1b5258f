"""The storages of a PyTorch file, and tensors on them.

Every size, stride and offset is checked against the bytes that are really there before an array is
made. A storage is read once; all its tensors share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tensor import Tensor, devices, from_array
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.layouts import Layout
from kuai.errors import FileFormatError
from kuai.saving import asked_places
from kuai.saving.archive import Archive
from kuai.saving.content import elements
from kuai.saving.limits import MAX_DIMENSIONS, MAX_SIZE, VIEW_BYTES
from kuai.saving.refusals import Damaged, Refused, exactly
from kuai.saving.strided import extent, is_whole, window_on

__all__ = ["StorageType", "Storages", "Stored", "checked_kind"]


class StorageType(NamedTuple):
    """A storage class of PyTorch's; no dtype for the untyped one."""

    name: str
    dtype: dtype | None


class Stored(NamedTuple):
    """A storage that a file has: the type and the number of its elements, and where it lay."""

    key: str
    dtype: dtype | None
    length: int
    location: str
    start: int = 0  # of a part of it, in elements


class Storages:
    """The storages of an archive, read when the first tensor on them is asked for."""

    def __init__(self, archive: Archive | Any, map_location: Any = None):
        self._archive = archive
        self._map_location = map_location
        self._bases: dict[str, Tensor] = {}
        self._views_left = VIEW_BYTES + 16 * sum(
            archive.size(name) for name in archive.names if name.startswith("data/")
        )

    def find(self, identity: Any) -> Stored:
        """The storage a persistent identity names: ('storage', type, key, location, length)."""
        exactly(identity, tuple, "the identity of a storage")
        if len(identity) != 5 or identity[0] != "storage":
            raise Refused("a storage has an identity of another form than PyTorch's")
        _, kind, key, location, length = identity
        exactly(kind, StorageType, "the type of a storage")
        for text in (key, location):
            exactly(text, str, "the key or location of a storage")
        size = self._archive.size(f"data/{key}")
        itemsize = kind.dtype.itemsize if kind.dtype else 1
        if exactly(length, int, "the length of a storage") * itemsize != size:
            raise Refused(
                f"storage {key!r} is declared with {length} elements of {itemsize} bytes, but "
                f"there are {size} bytes"
            )
        return Stored(key, kind.dtype, length, location)

    def tensor(self, stored: Any, kind: dtype | None, window: Layout) -> Tensor:
        """A tensor on a storage; `kind` is its dtype where the storage does not say it."""
        kind = checked_kind(stored, kind, window)
        if stored.key not in self._bases:
            self._bases[stored.key] = self._load(stored, kind, window)
        base = self._bases[stored.key]
        if base.dtype is not kind:
            raise Refused(f"storage {stored.key!r} is used with two element types")
        if not is_whole(base, window):
            self.count_copy(math.prod(window.shape) * kind.itemsize)
        return window_on(base, window)

    def count_copy(self, size: int) -> None:
        """Account for the bytes of a view read out; a file cannot ask for any number of them."""
        self._views_left -= size
        if self._views_left < 0:
            raise Refused("its views are many times larger than the storages they lie on")

    def _load(self, stored: Stored, kind: dtype, window: Layout) -> Tensor:
        array = elements(self._archive.array(f"data/{stored.key}"), kind)
        whole = window.is_contiguous and math.prod(window.shape) == array.size
        array = array.reshape(window.shape) if whole else array
        return _placed(array, stored.location, self._map_location)


def checked_kind(stored: Any, kind: dtype | None, window: Layout) -> dtype:
    """The dtype of a tensor, which has to lie within its storage."""
    exactly(stored, Stored, "what a tensor lies on")
    kind = stored.dtype or kind
    if kind is None:
        raise Refused("a tensor lies on a storage without an element type")
    _check(window, stored, kind)
    return kind


def _check(window: Layout, stored: Stored, kind: dtype) -> None:
    """Refuse a window that does not lie within its storage."""
    if len(window.shape) != len(window.strides) or len(window.shape) > MAX_DIMENSIONS:
        raise Refused("a tensor has more or fewer strides than dimensions, or too many of them")
    for number in (*window.shape, *window.strides, window.offset):
        if not 0 <= exactly(number, int, "a size, stride or offset of a tensor") <= MAX_SIZE:
            raise Refused(f"a tensor has a size, stride or offset of {number}")
    if math.prod(size for size in window.shape if size) > MAX_SIZE:
        raise Refused(f"a tensor has the size {list(window.shape)}")
    itemsize = kind.itemsize if stored.dtype is None else 1
    if extent(window) * itemsize > stored.length:
        raise Refused(
            f"a tensor of size {list(window.shape)}, strides {list(window.strides)} and offset "
            f"{window.offset} does not lie within its storage of {stored.length} elements"
        )
    if stored.length % itemsize:
        raise Damaged("the bytes of a storage are not a whole number of elements")


# Where the tensors go -----------------------------------------------------------------------------


def _placed(array: np.ndarray, location: str, wanted: Any) -> Tensor:
    if isinstance(wanted, Callable):
        tensor = from_array(array, "cpu")
        moved = wanted(tensor, location)
        return tensor if moved is None else tensor.to(moved.device)
    if isinstance(wanted, dict):
        wanted = wanted.get(location)
    if wanted is None and asked_places.taggers_and_restorers:
        moved = asked_places.restored(from_array(array, "cpu"), location)
        if moved is not None:
            return moved
    return from_array(array, saved_place(location) if wanted is None else wanted)


def saved_place(location: str) -> devices.device:
    """The device on which PyTorch would put the storage.

    Raises:
        FileFormatError: it is not there.
    """
    kind, _, index = location.partition(":")
    if kind == "cpu":
        return devices.device("cpu")
    if kind != "cuda":
        raise FileFormatError(
            "don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
            f"{location}). Say where it shall go: kuai.load(..., map_location='cpu')."
        )
    count = devices.device_count("cuda")
    if not count:
        raise FileFormatError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            "False. If you are running on a CPU-only machine, please use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU."
        )
    number = int(index) if index.isdecimal() else 0
    if number >= count:
        raise FileFormatError(
            f"Attempting to deserialize object on CUDA device {number} but "
            f"torch.cuda.device_count() is {count}. Please use torch.load with map_location to "
            "map your storages to an existing device."
        )
    return devices.device("cuda", number)
