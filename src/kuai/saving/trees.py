"""The last check of what a file gave: plain values and tensors only, no cycles, not too deep."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter, OrderedDict
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.formats import layout, qscheme
from kuai.engine.tensor.size import Size
from kuai.nn.parameter import Buffer, Parameter
from kuai.saving.limits import MAX_DEPTH, MAX_VALUES
from kuai.saving.numpy_values import TYPES
from kuai.saving.refusals import Refused

__all__ = ["CONTAINERS", "check_tree"]

_DICTS = (dict, OrderedDict, Counter)
CONTAINERS = (list, tuple, set, Size, *_DICTS)
_PLAIN = (bool, bytearray, bytes, complex, float, int, str, type(None))
_VALUES = (*_PLAIN, device, dtype, layout, qscheme, *TYPES)
_TENSORS = (Buffer, Parameter, Tensor)


def check_tree(root: Any, tensor_types: tuple[type, ...] = _TENSORS) -> None:
    """Refuse what is not a finished value, and containers that no program could walk through.

    It walks without recursion: `waiting` holds what is still to be entered or left, `measures` what
    has been left. A container that stands in many places is entered once, but whoever prints or
    copies the result enters it every time: the values are counted as often.
    """
    measures: dict[int, tuple[int, int]] = {}
    entered: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        value, leaving = waiting.pop()
        if leaving:
            entered.discard(id(value))
            measures[id(value)] = _measure(value, measures)
        elif _is_filled(value, tensor_types) and id(value) not in measures:
            if id(value) in entered:
                raise Refused("an object contains itself")
            entered.add(id(value))
            waiting.append((value, True))
            children = (child for child in _children(value) if _is_filled(child, tensor_types))
            waiting.extend((child, False) for child in children)


def _is_filled(value: Any, tensor_types: tuple[type, ...]) -> bool:
    """Whether a value is a container with something in it."""
    if type(value) is Namespace:
        return bool(vars(value))
    if type(value) in CONTAINERS:
        return bool(value) or type(value) is OrderedDict  # which may have `_metadata`
    is_sparse = isinstance(value, Tensor) and value._specified is not None
    if not is_sparse and type(value) not in _VALUES and type(value) not in tensor_types:
        name = getattr(value, "name", type(value).__name__)
        raise Refused(f"{name} stands where a tensor or a plain value has to be")
    return False


def _children(value: Any) -> list:
    if type(value) is Namespace:
        return list(vars(value).values())
    if type(value) not in _DICTS:
        return list(value)
    metadata = vars(value).get("_metadata") if type(value) is OrderedDict else None
    return [*value.values(), *([] if metadata is None else [metadata])]


def _measure(value: Any, measures: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How deep a container is, and how many values it comes to."""
    found = [measures.get(id(child)) or _flat_measure(child) for child in _children(value)]
    height = 1 + max((height for height, _ in found), default=0)
    count = 1 + sum(count for _, count in found)
    if height > MAX_DEPTH:
        raise Refused(f"its objects are nested more than {MAX_DEPTH} deep")
    if count > MAX_VALUES:
        raise Refused(f"its containers within containers come to more than {MAX_VALUES} values")
    return height, count


def _flat_measure(value: Any) -> tuple[int, int]:
    return int(type(value) in (*CONTAINERS, Namespace)), 1
