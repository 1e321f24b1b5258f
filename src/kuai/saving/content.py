"""The bytes of a file, as arrays that JAX can take over without copying them.

JAX on the CPU uses memory that begins at a multiple of 64 bytes as it is. What is read goes into
such memory; what is mapped is used in place where the file has it at such a position, and read
where it has not.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from kuai.engine.tensor.dtypes import bool_, dtype
from kuai.saving.refusals import Damaged

__all__ = ["ALIGNMENT", "Content", "elements"]

ALIGNMENT = 64
_CHUNK = 1 << 18  # small enough that the checksum finds it in the processor's cache


class Content:
    """The bytes of an open file. The arrays outlive it, and the file.

    Args:
        mapped: give parts of the file itself, read-only, that are loaded when they are used. If
            the file is cut off meanwhile, using them ends the process (SIGBUS).
    """

    def __init__(self, file: BinaryIO, mapped: bool = False):
        self._file = file
        self._length = file.seek(0, os.SEEK_END)
        self._map: np.ndarray | None = None
        if mapped and self._length:
            map_ = mmap.mmap(file.fileno(), self._length, access=mmap.ACCESS_READ)
            self._map = np.frombuffer(map_, np.uint8)

    def array(self, start: int, size: int, checksum: int | None = None) -> np.ndarray:
        """The bytes at a place; what is mapped is not compared with its checksum."""
        self._check_place(start, size)
        if self._map is not None and start % ALIGNMENT == 0:
            return self._map[start : start + size]
        return self.read(start, size, checksum)

    def window(self, start: int, size: int) -> np.ndarray:
        """The same, mapped wherever it lies: for those who need a small part of it."""
        if self._map is None:
            return self.array(start, size)
        self._check_place(start, size)
        return self._map[start : start + size]

    def read(self, start: int, size: int, checksum: int | None = None) -> np.ndarray:
        """The same, read into memory of its own."""
        self._check_place(start, size)
        made = _aligned(size)
        position = found = 0
        for chunk in self._chunks(start, size):
            made[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
            found = zlib.crc32(chunk, found) if checksum is not None else found
            position += len(chunk)
        if checksum is not None and found != checksum:
            raise Damaged(f"the bytes at {start} do not have their checksum")
        return made

    def check(self, start: int, size: int, checksum: int) -> None:
        """Compare bytes with their checksum."""
        found = 0
        for chunk in self._chunks(start, size):
            found = zlib.crc32(chunk, found)
        if found != checksum:
            raise Damaged(f"the bytes at {start} do not have their checksum")

    def _chunks(self, start: int, size: int) -> Iterator[bytes]:
        self._file.seek(start)
        while size > 0:
            chunk = self._file.read(min(_CHUNK, size))
            if not chunk:
                raise Damaged("it is cut off")
            size -= len(chunk)
            yield chunk

    def _check_place(self, start: int, size: int) -> None:
        if not 0 <= start <= start + size <= self._length:
            raise Damaged("it is cut off")


def _aligned(size: int) -> np.ndarray:
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


def elements(content: np.ndarray, kind: dtype) -> np.ndarray:
    """Bytes as a vector of elements of a dtype; in a bool, any byte but 0 is true."""
    if kind is bool_ and content.size and content.max() > 1:
        return content != 0
    return content.view(kind.jax)
