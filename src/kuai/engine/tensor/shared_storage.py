"""Storages whose values lie in memory that several processes have: `share_memory_`.

XLA's arrays never change and belong to one process. So such a storage has a file in memory, and a
stamp in it. What is written into the storage is written into the file at once, with a new stamp.
Who reads compares the stamp with that of the array made last, and makes another one where somebody
has written since. An operation on a parameter that nobody has changed costs one comparison more
than usual, and one that somebody has changed a copy of it.

NumPy writes no stamps. So the file also says whether a process has ever had a NumPy array of it
(`lend`); from then on readers compare the bytes as well, and who finds others gives them a stamp.

Invariants
* Values are written before their stamp and read after it, and no two stamps are equal: whoever has
  seen the last stamp has read what was written last, all of it.
* What is written through a view goes to the view's own elements. An in-place operation, or an
  optimizer's step, writes those elements that it changes (`still`): what other processes write
  elsewhere in the tensor at the same time stays.
* The file has no name. It goes with the last process that has it, however that ends.

Two processes that change one element at the same time are not ordered: an `x += 1` may be lost, as
in PyTorch, but in a window as long as the operation takes. What has to count takes a lock.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from kuai.engine.tensor import shared
from kuai.engine.tensor.memory import MemoryStorage, Window, held_slot, same_bytes, version_slot
from kuai.engine.tensor.placeholder import known, resolved
from kuai.engine.tensor.storage import Storage

__all__ = ["SharedStorage", "attached", "descriptor_of", "share", "still"]

_HEAD = 64  # bytes before the values: stamp, `lent`, and room, so that they lie as XLA wants them


class SharedStorage(MemoryStorage):
    """A storage that other processes read and write."""

    __slots__ = ()

    @property
    def block(self) -> Block:
        """The memory."""
        return held_slot.__get__(self)

    @property
    def held(self):
        """The array of what stands in the memory now."""
        self._look()
        return self.block.array()

    @held.setter
    def held(self, held):
        self.write(held)

    @property
    def version(self):
        """The number of writes, as far as this process has seen them."""
        self._look()
        return version_slot.__get__(self)

    @version.setter
    def version(self, count):
        version_slot.__set__(self, count)

    def lend(self) -> None:
        self.block.lend()

    def _look(self):
        if self.block.has_changed():
            version_slot.__set__(self, version_slot.__get__(self) + 1)


class Block:
    """The memory of a storage in this process: a file, its stamp, and the array last seen there."""

    def __init__(self, descriptor: int, shape: tuple, kind: np.dtype, place: Any) -> None:
        self.descriptor, self._place = descriptor, place
        weakref.finalize(self, os.close, descriptor)
        memory = np.frombuffer(mmap.mmap(descriptor, 0), np.uint8)
        self._stamp, self._lent = memory[:8].view(np.uint64), memory[8:9]
        self.bytes = memory[_HEAD:]
        self._seen = int(self._stamp[0])
        self._last: tuple[int, Any] = (0, None)  # a stamp, and an array of what was read after it
        self._still: dict[int, Any] = {}  # thread -> what the memory is for it meanwhile
        self._lie_as(shape, kind)

    def _lie_as(self, shape, kind):
        if int(np.prod(shape)) * kind.itemsize != self.bytes.size:
            raise RuntimeError("Trying to resize storage that is not resizable")
        self._values = self.bytes.view(kind).reshape(shape)
        self.outline = known(shape, kind, False, self._place)

    def lend(self) -> None:
        """An array is made that somebody may write into; no process can tell when it is gone."""
        self._lent[0] = 1

    def has_changed(self) -> bool:
        """Whether somebody has written since this was asked last."""
        if self._still and threading.get_ident() in self._still:
            return False
        self._notice()
        stamp = int(self._stamp[0])
        if stamp == self._seen:
            return False
        self._seen = stamp
        return True

    def _notice(self):
        """Give a stamp to what was written without one."""
        if self._lent[0]:
            stamp, array = self._last
            if array is not None and stamp == int(self._stamp[0]):
                if not same_bytes(np.asarray(array), self._values):
                    self._stamp[0] = _new_stamp()

    def array(self) -> Any:
        """An array of what stands there; it is the same until somebody writes."""
        if self._still:
            kept = self._still.get(threading.get_ident())
            if kept is not None:
                return kept
        self._notice()
        stamp, last = int(self._stamp[0]), self._last
        if last[1] is None or last[0] != stamp:
            # both at once: another thread may write, or read, between any two lines
            last = self._last = stamp, jax.device_put(self._values.copy(), self._place)
        return last[1]

    def bytes_to_read(self) -> np.ndarray:
        """What stands there for this thread."""
        kept = self._still.get(threading.get_ident()) if self._still else None
        return self.bytes if kept is None else np.asarray(kept).reshape(-1).view(np.uint8)

    def write(self, array: Any, window: Window | None = None) -> None:
        """Put values there, of which only those that are new while the memory is kept still."""
        values = np.asarray(array)
        if window is None:
            if values.shape != self._values.shape or values.dtype != self._values.dtype:
                self._lie_as(values.shape, values.dtype)
            window = Window(values.shape, tuple(s // values.itemsize for s in values.strides), 0)
        there = window.on(self.bytes, values.dtype)
        kept = self._still.get(threading.get_ident())
        if kept is None or values.itemsize > 8:
            np.copyto(there, values)
        else:
            old = window.on(self.bytes_to_read(), values.dtype)
            bits = f"u{values.itemsize}"  # 0.0 and -0.0 are not the same
            np.copyto(there, values, where=values.view(bits) != old.view(bits))
        self._seen = self._stamp[0] = _new_stamp()

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """What this thread reads meanwhile is what stood there at the beginning."""
        mine = threading.get_ident()
        if mine in self._still:
            yield
            return
        self._still[mine] = self.array()
        try:
            yield
        finally:
            del self._still[mine]


def still(tensors: Iterable[Any]) -> contextlib.AbstractContextManager:
    """A context in which shared tensors are changed: only what becomes another value is written."""
    stack = contextlib.ExitStack()
    for tensor in tensors:
        storage = getattr(tensor, "_storage", None)
        if type(storage) is SharedStorage:
            storage.version  # noqa: B018 - looks whether somebody has written
            stack.enter_context(storage.block.still())
    return stack


_here: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # file -> its storage


def share(storage: Storage) -> None:
    """Move a storage in host memory to where other processes can read and write it."""
    if isinstance(storage, SharedStorage):
        return
    array = resolved(storage.held, "share_memory_")
    descriptor = _new_file()
    os.ftruncate(descriptor, _HEAD + array.nbytes)
    block = Block(descriptor, array.shape, array.dtype, array.sharding)
    block.write(array)
    held_slot.__set__(storage, block)
    storage.__class__ = SharedStorage
    _note(storage)


def attached(descriptor: int, shape: tuple, kind: np.dtype, place: Any) -> Storage:
    """The storage of a file that another process has sent; the descriptor is taken over.

    Here a file has one storage, however often it comes.
    """
    known = _here.get(_file_of(descriptor))
    if known is not None:
        if descriptor != known.block.descriptor:  # a process inherits one, however often it is sent
            os.close(descriptor)
        return known
    storage = SharedStorage.__new__(SharedStorage)
    held_slot.__set__(storage, Block(descriptor, shape, kind, place))
    version_slot.__set__(storage, 0)
    storage.home = None
    _note(storage)
    return storage


def descriptor_of(storage: SharedStorage) -> int:
    """The file of a shared storage, which stays the storage's."""
    return storage.block.descriptor


def _note(storage: Any) -> None:
    _here[_file_of(storage.block.descriptor)] = storage
    shared.ACTIVE[:] = [sys.modules[__name__]]


def _file_of(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _new_stamp() -> int:
    return int.from_bytes(os.urandom(8), "little")


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("kuai")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
