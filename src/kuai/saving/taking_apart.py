"""Objects of any class as what makes them anew: pickle's protocol for classes, as data.

A class says through `__reduce_ex__` which function or class to call with which arguments, and what
to give the result then: a state, elements, items. Nothing is called here but that method.
"""

from __future__ import annotations

import copyreg
import sys
import types
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from kuai.nn.base.watched import SlotDict, WatchedDict

__all__ = ["Name", "Parts", "ours", "taken_apart", "theirs"]


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
    public = _public(value, name) if module.startswith("kuai.") else None
    found = getattr(sys.modules.get(module), name, None)
    return public or (Name(theirs(module), name) if found is value else None)


_PLACES = ("nn", "nn.functional", "nn.init", "optim", "optim.lr_scheduler", "optim.swa_utils")


def _public(value: Any, name: str) -> Name | None:
    """Where PyTorch has a class or function of the same name, too."""
    for place in _PLACES:
        if vars(sys.modules.get(f"kuai.{place}", _NOTHING)).get(name) is value:
            return Name(f"torch.{place}", name)
    return None


_NOTHING = types.ModuleType("nothing")


def ours(module: str) -> str:
    """Kuai's path for one of PyTorch's.

    Example:
        >>> ours("torch.nn"), theirs("kuai"), ours("torchvision")
        ('kuai.nn', 'torch', 'torchvision')
    """
    return "kuai" + module[len("torch") :] if module.split(".")[0] == "torch" else module


def theirs(module: str) -> str:
    """The other way round."""
    return "torch" + module[len("kuai") :] if module.split(".")[0] == "kuai" else module


def _plain(value: Any) -> Any:
    """The dictionaries of a module as PyTorch has them."""
    if type(value) is SlotDict:
        return dict(value)
    return OrderedDict(value) if type(value) is WatchedDict else value


def _parts(function, arguments, state=None, items=None, pairs=None, setter=None) -> Parts | None:
    if setter is not None:
        return None
    if isinstance(state, dict):
        state = {name: _plain(inside) for name, inside in state.items()}
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        return Parts(arguments[0], tuple(arguments[1:]), True, state, items, pairs)
    return Parts(function, tuple(arguments), False, state, items, pairs)
