"""What containers are asked with: positions, and pairs of keys and values."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

__all__ = ["checked_index", "key_value_pairs"]


def checked_index(index: int, size: int) -> int:
    """`index` counted from the front, for a sequence of `size` items."""
    index = operator.index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range")
    return index % size


def key_value_pairs(given: Any, container: str) -> Iterable[tuple[str, Any]]:
    """The pairs of a mapping, or a sequence of pairs after checking that they are such."""
    if hasattr(given, "items"):
        return given.items()
    pairs = list(given)
    for number, pair in enumerate(pairs):
        start = f"{container} update sequence element #{number}"
        if not isinstance(pair, Iterable):
            raise TypeError(f"{start} should be Iterable; is{type(pair).__name__}")
        if len(pair) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{start} has length {len(pair)}; 2 is required")  # type: ignore[arg-type]
    return pairs
