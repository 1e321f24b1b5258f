"""Keys of dicts and members of sets: what may stand there, and how alike their hashes may be.

Only the hashes of strings and bytes are secret. With numbers and tuples of them a file could choose
thousands of keys of one hash, (-1, -2, …) and (-2, -1, …) say, and each would be compared with all
before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.size import Size
from kuai.saving.refusals import Refused

__all__ = ["Hashes"]

_SCALARS = (str, int, float, bool, type(None), bytes, complex, dtype, device)
_ALIKE = 64  # keys of one hash in one container; honest ones have a handful


def _check_key(key: Any) -> None:
    """Let through what is quick to hash: simple values, and tuples of them."""
    parts = key if type(key) in (tuple, Size) else (key,)
    for part in parts:
        if type(part) not in _SCALARS:
            raise Refused(f"a {type(part).__name__} stands where a key of a dict or set has to be")


class Hashes:
    """Counts how many keys of each hash a container has."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def check(self, key: Any) -> None:
        """Let a further key through, to be called before it goes into the container."""
        _check_key(key)
        if type(key) not in (str, bytes):
            self._counts[hash(key)] += 1
            if self._counts[hash(key)] > _ALIKE:
                raise Refused("too many keys of a dict or set have the same hash")

    def check_all(self, keys: Iterable[Any]) -> None:
        """The same for several."""
        for key in keys:
            self.check(key)
