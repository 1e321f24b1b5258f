"""What others ask about tensors in shared memory; nothing is, until this process has one.

All else is in `shared_storage`, which is loaded then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

__all__ = ["ACTIVE", "shares", "still"]

#: The module `shared_storage`, once this process has a shared storage: others need not look before.
ACTIVE: list[Any] = []

_nothing = contextlib.nullcontext()


def shares(storage: Any) -> bool:
    """Whether other processes may read and write a storage."""
    return bool(ACTIVE) and isinstance(storage, ACTIVE[0].SharedStorage)


def still(tensors: Iterable[Any]) -> contextlib.AbstractContextManager:
    """A context in which shared tensors are changed: only what becomes another value is written."""
    return ACTIVE[0].still(tensors) if ACTIVE else _nothing
