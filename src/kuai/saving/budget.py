"""How much memory a file may take up, by how large it is.

What makes objects says beforehand, or at once, what they take up. The prices are rounded up: a
container also stands in the notes of the last check, a remembered object in the memory of the
interpreter. Honest files stay far below the limit, whatever is in them; a file that would come to a
large multiple of its size is refused while that is still small.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any

from kuai.saving.refusals import Refused

__all__ = ["CONTAINER", "HASHES", "MEMORY", "TENSOR", "Budget", "price"]

MEMORY = 100  # an entry in the memory of the interpreter, or in a dict
CONTAINER = 200  # beside its own size: it is entered, measured and left by the last check
HASHES = 400  # of a container whose keys are no strings
TENSOR = 3000
_SLOT = 8  # a place in a list


class Budget:
    """A number of bytes that can be taken once.

    Args:
        size: the number.
        reason: what the error says when more is taken.
    """

    def __init__(self, size: int, reason: str):
        self._left = size
        self._reason = reason

    def take(self, size: int) -> None:
        """Account for some of it."""
        self._left -= size
        if self._left < 0:
            raise Refused(self._reason)


def price(value: Any) -> int:
    """What a finished plain value takes up, its parts not counted."""
    return getsizeof(value) + _SLOT
