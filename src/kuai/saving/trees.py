"""The last check of what a file gave: plain values and tensors only, no cycles, not too deep."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

from kuai.engine.devices import device
from kuai.engine.dtypes import dtype
from kuai.engine.size import Size
from kuai.engine.tensor import Tensor
from kuai.nn.parameter import Buffer, Parameter
from kuai.saving.limits import MAX_DEPTH
from kuai.saving.refusals import Refused

__all__ = ["check_tree"]

_DICTS = (dict, OrderedDict, Counter)
_CONTAINERS = (list, tuple, set, Size, *_DICTS)
_LEAVES = (
    *(bool, bytearray, bytes, complex, float, int, str, type(None)),
    *(Buffer, Parameter, Tensor, device, dtype),
)


def check_tree(root: Any) -> None:
    """Refuse what is not a finished value, and containers that no program could walk through.

    It walks without recursion: `waiting` holds what is still to be entered or left, `heights` what
    has been left.
    """
    heights: dict[int, int] = {}
    entered: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        value, leaving = waiting.pop()
        if leaving:
            entered.discard(id(value))
            heights[id(value)] = _height(value, heights)
        elif _is_container(value) and id(value) not in heights:
            if id(value) in entered:
                raise Refused("an object contains itself")
            entered.add(id(value))
            waiting.append((value, True))
            waiting.extend((child, False) for child in _children(value))


def _is_container(value: Any) -> bool:
    if type(value) in _CONTAINERS:
        return True
    if type(value) not in _LEAVES:
        name = getattr(value, "name", type(value).__name__)
        raise Refused(f"{name} stands where a tensor or a plain value has to be")
    return False


def _children(value: Any) -> list:
    if type(value) not in _DICTS:
        return list(value)
    metadata = vars(value).get("_metadata") if type(value) is OrderedDict else None
    return [*value.values(), *([] if metadata is None else [metadata])]


def _height(value: Any, heights: dict[int, int]) -> int:
    height = 1 + max((heights.get(id(child), 0) for child in _children(value)), default=0)
    if height > MAX_DEPTH:
        raise Refused(f"its objects are nested more than {MAX_DEPTH} deep")
    return height
