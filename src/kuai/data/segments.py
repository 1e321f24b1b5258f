"""Files in memory that a worker sends batches in, used again when nobody reads them any more.

The system clears every page that it gives out, and maps it, which takes longer than writing a batch
into it. So a file whose batch has gone comes back: the receiver sends its number with the next task
(see `parcels`). As many stay as batches are on their way; those that a program collects do not come
back, and each further batch has a file of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["Segments"]

_MOST = 16


class Segments:
    """The files of one worker.

    One thread takes, and another one may give back.
    """

    def __init__(self) -> None:
        self._files: dict[int, tuple[int, int]] = {}  # number -> descriptor, size
        self._free: list[int] = []
        self._made = 0

    def take(self, size: int) -> tuple[int, int] | None:
        """The number and the descriptor of a file of at least that size; None if too many are out.

        Example:
            >>> segments = Segments()
            >>> number, _ = segments.take(5000)
            >>> segments.give_back([number])
            >>> segments.take(4000)[0] == number
            True
        """
        fitting = [n for n in self._free if self._files[n][1] >= size]
        if fitting:
            number = min(fitting, key=lambda n: self._files[n][1])
            self._free.remove(number)
            return number, self._files[number][0]
        if len(self._files) >= _MOST and not self._forget():
            return None
        descriptor = os.memfd_create("kuai")
        room = 1 << (size - 1).bit_length()  # pages that are never written to take no memory
        os.ftruncate(descriptor, room)
        self._made += 1
        self._files[self._made] = descriptor, room
        return self._made, descriptor

    def give_back(self, numbers: Iterable[int]) -> None:
        """These files are read by nobody any more."""
        self._free.extend(numbers)

    def _forget(self) -> bool:
        """Close a file that is free, if there is one: it is too small."""
        if not self._free:
            return False
        descriptor, _ = self._files.pop(self._free.pop(0))
        os.close(descriptor)
        return True
