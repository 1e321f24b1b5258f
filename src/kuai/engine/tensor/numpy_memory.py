"""Tensors and NumPy arrays that have one memory: `numpy()`, `from_numpy`.

NumPy tells nobody what it writes. So while there is an array that could write, whoever reads the
tensor compares its memory with what was read last, at the speed of memory. As soon as there is no
such array, which Python's reference counts tell, the storage is an ordinary one again: it takes the
memory as it is, and nothing is compared any more. So it is with most arrays, which are made for
one tensor or looked at once.

Invariants
* What is read is what stands in the memory, and what is written stands there when the writing
  returns: both sides see each other's changes in the order of the program.
* `version` counts what the tensors write. What NumPy has written is counted when it is seen by
  somebody who reads all of it, so that no view takes what it knew before for new.
* Memory that was allocated by anybody else than NumPy, such as a mapped file, may be written to by
  others at any time; such a storage stays as it is.
"""

from __future__ import annotations

import collections
import itertools
import operator
import sys
from typing import Any

import jax
import numpy as np

from kuai.engine.tensor import placing
from kuai.engine.tensor.memory import MemoryStorage, Window, held_slot, same_bytes, version_slot
from kuai.engine.tensor.placeholder import known, one_at_a_time, resolved
from kuai.engine.tensor.placing import alone_on
from kuai.engine.tensor.storage import InferenceStorage, Storage

__all__ = ["NumpyStorage", "export", "lying_in", "may_be_exported"]


class NumpyStorage(MemoryStorage):
    """A storage whose memory NumPy has."""

    __slots__ = ()
    plain: type[Storage] = Storage

    @property
    def block(self) -> _Memory:
        """The memory."""
        return held_slot.__get__(self)

    @property
    def held(self):
        """An array of what stands in the memory now."""
        with one_at_a_time:
            if not isinstance(self, NumpyStorage):  # another thread was first
                return self.held
            block = self.block
            alone = block.is_alone()  # before it is read: nobody writes afterwards
            array, is_new = block.read(alone)
            if is_new:
                version_slot.__set__(self, version_slot.__get__(self) + 1)
            if alone:
                array = array if block.before is None else block.before
                _become(self, ("__class__", "held"), (self.plain, array))
            return array

    @held.setter
    def held(self, held):
        held = resolved(held, "a tensor whose memory NumPy has")
        with one_at_a_time:
            if isinstance(self, NumpyStorage):
                self.block.write(held)
                return
        self.held = held  # another thread was first: it is an ordinary one


class NumpyInferenceStorage(NumpyStorage, InferenceStorage):
    """One that was made in inference mode."""

    __slots__ = ()
    plain = InferenceStorage


_KINDS = {Storage: NumpyStorage, InferenceStorage: NumpyInferenceStorage}


class _Memory:
    """The memory of a storage that NumPy has as well."""

    def __init__(self, values: np.ndarray, place: Any) -> None:
        self._place = place
        self.bytes = _bytes_of(values)
        self._lie_as(values.shape, values.dtype)
        self._seen: tuple[Any, np.ndarray] | None = None  # the array made last, and its memory
        self.before: Any = None  # what the storage held, as long as that is what stands here

    def _lie_as(self, shape, kind):
        self._values = self.bytes.view(kind).reshape(shape)
        self.outline = known(shape, kind, False, alone_on(self._place))

    def references(self) -> int:
        """How many references the array that owns the memory has."""
        return sys.getrefcount(self.bytes.base)

    def is_alone(self) -> bool:
        """Whether there is no array any more through which somebody could write."""
        owner: Any = self.bytes.base
        if type(owner) is not np.ndarray or not owner.flags.owndata:
            return False
        del owner
        return self.references() == _OURS

    def read(self, alone: bool = False) -> tuple[Any, bool]:
        """An array of what stands there, and whether that is not what was seen last."""
        seen = self._seen
        if seen is not None and same_bytes(seen[1], self._values):
            return seen[0], False
        self.before = None
        array = placing.put(self._values if alone else self._values.copy(), self._place)
        self._seen = array, np.asarray(array)
        return array, seen is not None

    def saw(self, array: Any, held: Any) -> None:
        """An array has the values that stand there now; the storage has held it, so or so."""
        self._seen, self.before = (array, np.asarray(array)), held

    def bytes_to_read(self) -> np.ndarray:
        """What stands there."""
        return self.bytes

    def write(self, array: Any, window: Window | None = None) -> None:
        """Put values there, or into some elements."""
        values = np.asarray(array)
        if window is None:
            if values.nbytes != self.bytes.nbytes:
                raise RuntimeError("Trying to resize storage that is not resizable")
            if (values.shape, values.dtype) != (self._values.shape, self._values.dtype):
                self._lie_as(values.shape, values.dtype)
        there = self._values if window is None else window.on(self.bytes, values.dtype)
        self._seen = self.before = None
        np.copyto(there, values)


def may_be_exported(storage: Storage) -> bool:
    """Whether NumPy can have the memory of a storage: it is in one piece, and in host memory."""
    if isinstance(storage, MemoryStorage):
        return True
    if type(storage) not in _KINDS:
        return False
    array = resolved(storage.held, "numpy()")
    if not isinstance(array, jax.Array):
        return False
    places = array.devices()
    return len(places) == 1 and next(iter(places)).platform == "cpu"


def export(storage: Any, layout: Any, kind: np.dtype) -> np.ndarray:
    """The elements of a tensor as a NumPy array that has the storage's memory.

    Args:
        layout: sizes, strides and offset, counted in elements of `kind`.
    """
    with one_at_a_time:
        if storage.is_array:
            array = resolved(storage.held, "numpy()")
            values = placing.aligned(array.shape, array.dtype)
            np.copyto(values, np.asarray(array))
            memory = _Memory(values, next(iter(array.devices())))
            held = _become(storage, ("held", "__class__"), (memory, _KINDS[type(storage)]))
            written = resolved(held, "numpy()")
            if written is array:
                memory.saw(array, held)
            else:  # another thread has written meanwhile
                memory.write(written)
        return Window(*layout).on(storage.block.bytes, kind)


def lying_in(values: np.ndarray, place: Any) -> Storage:
    """A storage that has the memory of a contiguous NumPy array."""
    storage = NumpyStorage.__new__(NumpyStorage)
    held_slot.__set__(storage, _Memory(values, place))
    version_slot.__set__(storage, 0)
    storage.home = None
    return storage


def _become(storage: Any, names: tuple, values: tuple) -> Any:
    """Change a storage's class and what it holds in one step of C, which nothing interrupts.

    Returns: what it held before.
    """
    calls = itertools.chain(
        [(held_slot.__get__, storage)],
        zip((setattr, setattr), (storage, storage), names, values, strict=True),
    )
    found = collections.deque(itertools.starmap(operator.call, calls))
    return found[0]


def _bytes_of(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1).view(np.uint8)


def _own_references() -> int:
    memory = _Memory.__new__(_Memory)
    memory.bytes = _bytes_of(np.empty(1))
    memory._values = memory.bytes.view(np.float64)
    return memory.references()


#: References of an array that only its memory knows: Python counts differ between versions.
_OURS = _own_references()
