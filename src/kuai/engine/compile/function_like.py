"""What a compiled function has of the function it was made of.

A decorator must not be noticed: a compiled function stands where the function stood, so it is bound
to instances as that one is, has its attributes and passes on those that are set, is copied and
pickled where that one would be. What Kuai itself keeps has names with an underscore, which each
class lists, and is found without it where the function has nothing of that name.
"""

import abc
import copy
import sys
import types
from typing import Any, ClassVar

__all__ = ["FunctionLike", "called", "own"]

_KEPT = ("__doc__", "__module__", "__annotations__")  # which every object finds in its class


def _part(name):
    def replace(self, value):
        setattr(self._stands_for, name, value)

    return property(lambda self: getattr(self._stands_for, name), replace)


def _attributes(self):
    """Those that a program has put on the function."""
    return getattr(self._stands_for, "__dict__", {})


class _WithDictionary:
    """An object with a dictionary."""


#: What Kuai keeps with a compiled function.
own: Any = vars(_WithDictionary)["__dict__"].__get__


class FunctionLike(_WithDictionary, abc.ABC):
    """Something that is called in the place of a function, or of any callable.

    Args:
        function: what it stands for.
        made_by: `made_by(function)` makes another one of the same kind.

    Attributes:
        _kept: names of Kuai's own attributes.
    """

    _kept: ClassVar[frozenset[str]] = frozenset()
    __dict__ = property(_attributes)  # type: ignore[assignment]

    _stands_for: Any
    _made_by: Any
    __code__ = _part("__code__")
    __defaults__ = _part("__defaults__")
    __kwdefaults__ = _part("__kwdefaults__")

    def __init__(self, function, made_by):
        mine = own(self)
        mine.update({name: getattr(function, name, None) for name in _KEPT})
        mine.update(__wrapped__=function, _stands_for=function, _made_by=made_by)

    @abc.abstractmethod
    def __call__(self, /, *args, **kwargs) -> Any:
        """What the function gives."""

    # Attributes -----------------------------------------------------------------------------------

    def __getattr__(self, name) -> Any:
        mine = own(self)
        try:
            return getattr(mine["_stands_for"], name)
        except (AttributeError, KeyError):
            if f"_{name}" in mine:
                return mine[f"_{name}"]
            raise

    def __setattr__(self, name, value):
        if name in own(self) or name in self._kept:
            object.__setattr__(self, name, value)
            return
        try:
            setattr(self._stands_for, name, value)
        except AttributeError:  # a bound method takes none
            object.__setattr__(self, name, value)

    def __delattr__(self, name):
        if name in own(self):
            object.__delattr__(self, name)
        else:
            delattr(self._stands_for, name)

    # Binding --------------------------------------------------------------------------------------

    def __get__(self, instance, owner=None) -> Any:
        function = self._stands_for
        if type(function) is types.FunctionType:
            return self if instance is None else types.MethodType(self, instance)
        if type(function) is classmethod:
            return types.MethodType(self, type(instance) if owner is None else owner)
        bind = getattr(type(function), "__get__", None)
        if bind is None or type(function) is staticmethod:
            return self
        bound = bind(function, instance, owner)
        if type(bound) is types.MethodType and bound.__func__ is function:
            return types.MethodType(self, bound.__self__)
        return self if bound is function else self._made_by(bound)

    # Copies ---------------------------------------------------------------------------------------

    def __deepcopy__(self, memo):
        copied = copy.deepcopy(self._stands_for, memo)
        return self if copied is self._stands_for else self._made_by(copied)

    def __reduce__(self):
        function = self._stands_for
        if type(function) is types.FunctionType:
            return function.__qualname__  # as functions are: by the name where it stands
        return self.remade

    @property
    def remade(self) -> tuple:
        """What makes another one of the same function, for pickles that hold functions."""
        return self._made_by, (self._stands_for,)

    def is_found_by_name(self, but_in=()) -> bool:
        """Whether it stands in a module under its name, and not in one of some modules."""
        found: Any = sys.modules.get(self.__module__)
        try:
            for name in self.__qualname__.split("."):
                found = getattr(found, name)
        except AttributeError:
            return False
        return found is self and self.__module__ not in but_in


def called(function) -> Any:
    """What a call of a callable runs: for decorated methods, what the decorator stands around."""
    return function.__func__ if isinstance(function, (staticmethod, classmethod)) else function
