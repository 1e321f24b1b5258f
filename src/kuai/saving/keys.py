"""Keys of dicts and members of sets: what may stand there, and how alike their hashes may be.

Only the hashes of strings and bytes are secret. With numbers and tuples of them a file could choose
thousands of keys of one hash, (-1, -2, …) and (-2, -1, …) say, and each would be compared with all
before it. The hash of a tuple is not kept, either: it is worked out for every use as a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.formats import layout, qscheme
from kuai.engine.tensor.size import Size
from kuai.saving.budget import Budget
from kuai.saving.limits import MAX_PICKLE_BYTES
from kuai.saving.refusals import Refused

__all__ = ["Hashes", "keys_budget"]

_SCALARS = (str, int, float, bool, type(None), bytes, complex, dtype, device, layout, qscheme)
_PART = 16  # what hashing a part of a tuple counts, in characters
_ALIKE = 64  # keys of one hash in one container; honest ones have a handful


def keys_budget() -> Budget:
    """What all the tuples of one file may come to, counted for every use as a key."""
    return Budget(MAX_PICKLE_BYTES, "long tuples are the keys of its dicts over and over")


def _check_key(key: Any, budget: Budget) -> None:
    """Let through what is quick to hash: simple values, and tuples of them."""
    if type(key) not in (tuple, Size):
        return _check_scalar(key)
    budget.take(_PART * len(key))
    for part in key:
        _check_scalar(part)
        if type(part) in (str, bytes):
            budget.take(len(part))


def _check_scalar(part: Any) -> None:
    if type(part) not in _SCALARS:
        raise Refused(f"a {type(part).__name__} stands where a key of a dict or set has to be")


class Hashes:
    """Counts how many keys of each hash a container has.

    Args:
        budget: what tuples may come to, shared by the containers of a file.
    """

    __slots__ = ("_budget", "_counts")

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget or keys_budget()
        self._counts: dict[int, int] = {}

    def check(self, key: Any) -> None:
        """Let a further key through, to be called before it goes into the container."""
        _check_key(key, self._budget)
        self.count(key)

    def count(self, key: Any) -> None:
        """The same for a key of any type, whose hash is no work beyond what made the key."""
        if type(key) not in (str, bytes):
            hashed = hash(key)
            self._counts[hashed] = self._counts.get(hashed, 0) + 1
            if self._counts[hashed] > _ALIKE:
                raise Refused("too many keys of a dict or set have the same hash")

    def check_all(self, keys: Iterable[Any]) -> None:
        """The same for several."""
        for key in keys:
            self.check(key)
