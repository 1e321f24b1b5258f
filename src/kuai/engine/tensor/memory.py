"""Storages whose values lie in memory that others write to as well: NumPy's, or another process's.

JAX's arrays never change; such memory does, and whoever writes there tells nobody. So what such a
storage holds is not an array but a block of memory. Asked for its values it looks whether they are
those of the array made last, and makes another one where they are not; what is written goes into
the memory at once.

Invariants
* `held` is always an array, never a placeholder, so a record is run where one is written, and
  nobody writes into the array's memory: it was not made by a program (see `compile.program`).
* A view reads and writes its own elements alone, however large the memory is. It keeps nothing of
  what it has read, as nothing tells when that is old.
* Shapes, dtypes and devices are known without a look at the values.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from kuai.engine.tensor import placing
from kuai.engine.tensor.placeholder import resolved
from kuai.engine.tensor.storage import Storage

__all__ = ["MemoryStorage", "Window", "first_byte", "held_slot", "same_bytes", "version_slot"]

# the slots below the properties of the same names
held_slot: Any = vars(Storage)["held"]
version_slot: Any = vars(Storage)["version"]


class MemoryStorage(Storage):
    """A storage whose values lie in memory that others write to.

    Each kind says what is `held`, and has a block of its own, with an `outline`, the `bytes` that
    lie there, `bytes_to_read` for whoever asks, and `write(array, window=None)`.
    """

    __slots__ = ()
    is_array = False

    @property
    def block(self) -> Any:
        """The memory."""
        return held_slot.__get__(self)

    @property
    def outline(self):
        """Something with the shape, the dtype and the sharding of the values."""
        return self.block.outline

    @property
    def address(self) -> int:
        """Where the values lie."""
        return first_byte(self.block.bytes)

    def lend(self) -> None:
        """Say that there is an array now through which somebody may write, and tell nobody."""

    def write(self, held: Any) -> None:
        """Write all elements."""
        self.block.write(resolved(held, "a tensor whose memory others read"))

    def read_window(self, shape: tuple, strides: tuple, offset: int) -> Any:
        """An array of the elements of a view, which has the dtype of the storage."""
        block, outline = self.block, self.block.outline
        found = Window(shape, strides, offset).on(block.bytes_to_read(), outline.dtype)
        return placing.put(found.copy(), outline.device)

    def write_window(self, part: Any, shape: tuple, strides: tuple, offset: int) -> None:
        """Write the elements of a view, and nothing else."""
        window = Window(shape, strides, offset)
        self.block.write(resolved(part, "a tensor whose memory others read"), window)
        version_slot.__set__(self, version_slot.__get__(self) + 1)


class Window:
    """The elements of a view, of a layout that is counted in the view's own elements."""

    def __init__(self, shape: tuple, strides: tuple, offset: int) -> None:
        self.shape, self.strides, self.offset = shape, strides, offset

    def on(self, memory: np.ndarray, kind: np.dtype) -> np.ndarray:
        """Those elements of bytes in a row."""
        strides = [stride * kind.itemsize for stride in self.strides]
        if 0 in self.shape:
            return np.empty(self.shape, kind)
        return np.ndarray(self.shape, kind, memory, self.offset * kind.itemsize, strides)


def first_byte(array: np.ndarray) -> int:
    """The address where an array's elements begin."""
    return array.__array_interface__["data"][0]


def same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays in one piece have the same bytes."""
    return not one.nbytes or not _compare(first_byte(one), first_byte(other), one.nbytes)


_library: Any = ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)
_compare = _library.memcmp
_compare.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
