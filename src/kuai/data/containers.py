"""Containers like another one, with other parts in them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

__all__ = ["mapping_like", "sequence_like"]


def mapping_like(like: Mapping, parts: dict) -> Any:
    """The parts in a mapping of the same kind; in a dict, where that kind cannot be made."""
    try:
        if not isinstance(like, MutableMapping):
            return type(like)(parts)  # pyright: ignore[reportCallIssue]
        made = copy.copy(like)
        made.update(parts)
        return made
    except TypeError:
        return parts


def sequence_like(like: Sequence, parts: list) -> Any:
    """The parts in a sequence of the same kind; in a list, where that kind cannot be made."""
    try:
        if not isinstance(like, MutableSequence):
            return type(like)(parts)  # pyright: ignore[reportCallIssue]
        made = copy.copy(like)
        for number, part in enumerate(parts):
            made[number] = part
        return made
    except TypeError:
        return parts
