"""Numbers, strings and the like given for an argument of another type: refused as in PyTorch.

PyTorch tells True from 1, and 2 from 2.0, where a list of types says so. A function written in
Python would take one for the other and go on; so the types that it is given are looked at when they
are met for the first time. What counts is certain from the type alone: tensors, lists and types of
users' own are left to the function.
"""

import sys
from typing import Any

import numpy as np

from kuai.engine.op.argument_types import parsed, ways
from kuai.engine.op.registry import REGISTRY
from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.formats import layout, memory_format
from kuai.engine.tensor.frames import is_own_file
from kuai.engine.tensor.overriding import named

__all__ = ["is_users_call", "wrong_plain_type"]

_NONE = type(None)
_NAMED = (dtypes.dtype, layout)
#: For each kind of argument the types that it is certain not to take.
_WRONG: dict[str, tuple[type, ...]] = {
    "bool": (int, float, complex, str, _NONE, np.number, np.bool_, Tensor, *_NAMED),
    "int": (bool, float, complex, str, _NONE, np.inexact, np.bool_, *_NAMED),
    "float": (complex, str, _NONE, *_NAMED),
    "Number": (str, _NONE, *_NAMED),
    "str": (int, float, complex, _NONE, np.generic, list, tuple, Tensor, *_NAMED),
    "tuple of ints": (bool, float, complex, str, _NONE, np.inexact, np.bool_, *_NAMED),
    "torch.memory_format": (int, float, complex, str, list, tuple, Tensor, *_NAMED),
}
_ANNOTATED: dict[Any, str] = {bool: "bool", int: "int", str: "str"}
_ANNOTATED[memory_format] = "torch.memory_format"
_OR_NONE: dict[Any, str] = {each | None: name for each, name in _ANNOTATED.items()}


def wrong_plain_type(public: Any, names: tuple[str, ...], args: tuple, kwargs: dict) -> str:
    """What is said of the first argument whose type is wrong for sure; nothing if there is none."""
    given = [(*each, i) for i, each in enumerate(zip(names, args, strict=False))]
    given += [(*each, None) for each in kwargs.items()]
    for name, value, position in given:
        if name != "self" and (kind := _refused_as(public, name, position, type(value))):
            return (
                f"{public.__name__}(): argument '{name}' must be {kind}, not {named(type(value))}"
            )
    return ""


def _refused_as(public, name: str, position: int | None, given: type) -> str:
    """The kind of argument that a type is not, whichever way the function is called."""
    kinds = _kinds(public, name, position)
    if not kinds or not all(_is_wrong(kind, none, given) for kind, none in kinds):
        return ""
    return kinds[0][0]


def _is_wrong(kind: str, takes_none: bool, given: type) -> bool:
    if given is _NONE and takes_none:  # or it is not known
        return False
    wrong = _WRONG.get(kind, ())
    return issubclass(given, wrong) and not (kind == "bool" and given is bool)


def _kinds(public, name: str, position: int | None) -> list[tuple[str, bool]]:
    """The kinds of argument by a name or in a place, and whether each may be None."""
    hint = public.__annotations__.get(name)
    if hint in _ANNOTATED:
        return [(_ANNOTATED[hint], False)]
    if hint in _OR_NONE:
        return [(_OR_NONE[hint], True)]
    found = []
    for place in REGISTRY.places_of(public):
        given, skipped = ways(place), int(place.startswith("Tensor."))
        if not given:  # it is written in Python in PyTorch, and takes what it takes
            return []
        for way in given:
            for number, each in enumerate(parsed(way) if way != "..." else (), skipped):
                in_place = number == position and not each.by_name
                if in_place or each.name == name:
                    found.append(each)
    return [(each.kind, each.none or not each.optional) for each in found]


def is_users_call() -> bool:
    """Whether the function at work was called from a file that is not Kuai's."""
    frame = sys._getframe(1)
    while frame is not None and _IN_HERE in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and not is_own_file(frame.f_code.co_filename)


_IN_HERE = __file__.removesuffix("op/plain_types.py")
