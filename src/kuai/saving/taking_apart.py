"""Objects of any class as what makes them anew: pickle's protocol for classes, as data.

A class says through `__reduce_ex__` which function or class to call with which arguments, and what
to give the result then: a state, elements, items. Nothing is called here but that method.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["Name", "Parts", "taken_apart"]


class Name(NamedTuple):
    """A class or function, by the name under which it can be imported."""

    module: str
    name: str


class Parts(NamedTuple):
    """What makes an object anew."""

    function: Any
    arguments: tuple
    is_new: bool  # `function.__new__(function, *arguments)`, and not a call
    state: Any = None
    items: Iterable | None = None
    pairs: Iterable | None = None


def taken_apart(value: Any) -> Name | Parts | None:
    """A name, or the parts; None of what cannot be made anew.

    Example:
        >>> import fractions
        >>> taken_apart(fractions.Fraction(1, 2)).arguments
        (1, 2)
        >>> taken_apart(fractions.Fraction)
        Name(module='fractions', name='Fraction')
        >>> taken_apart(lambda: 0) is None
        True
    """
    if callable(getattr(value, "state_dict", None)) and not isinstance(value, type):
        return None  # it has a way of its own, that can be loaded again
    if isinstance(value, type) or type(value).__name__ in _FUNCTIONS:
        return _name_of(value)
    try:
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = reduce(value) if reduce else value.__reduce_ex__(2)
    except (TypeError, AttributeError, ValueError):  # what classes raise that refuse
        return None
    return _global(value, reduced) if isinstance(reduced, str) else _parts(*reduced)


_FUNCTIONS = ("function", "builtin_function_or_method")


def _name_of(value: Any) -> Name | None:
    return _global(value, getattr(value, "__qualname__", ""))


def _global(value: Any, name: str) -> Name | None:
    """The name, if what can be imported under it is this object, and not one inside another."""
    module = getattr(value, "__module__", None) or "builtins"
    found = getattr(sys.modules.get(module), name, None)
    return Name(module, name) if found is value else None


def _parts(function, arguments, state=None, items=None, pairs=None, setter=None) -> Parts | None:
    if setter is not None:
        return None
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        return Parts(arguments[0], tuple(arguments[1:]), True, state, items, pairs)
    return Parts(function, tuple(arguments), False, state, items, pairs)
