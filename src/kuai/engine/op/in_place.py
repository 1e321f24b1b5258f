"""In-place versions of operations."""

import inspect
from typing import Any

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op.spellings import spellings
from kuai.engine.op.wrong_calls import refuse_types
from kuai.engine.tensor import overriding, shared
from kuai.engine.tensor.frames import fold
from kuai.engine.tensor.overriding import ACTIVE, NOBODY

__all__ = ["inplace"]

_MISSING = inspect.Parameter.empty


def inplace(public, name, check=None):
    """The in-place version of an operation: its result takes the place of its first argument.

    Args:
        check: what raises an error for a tensor that the result cannot take the place of.
    """

    def change(self: Any = _MISSING, *args, **kwargs):
        try:
            if self is _MISSING:
                self = _taken_first(public, kwargs)
            if ACTIVE and (answer := overriding.ask(change, (self, *args), kwargs)) is not NOBODY:
                return answer
            if "out" in kwargs:
                raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
            if check is not None:
                check(self)
            if shared.ACTIVE:
                with shared.still((self,)):
                    return overwrite(self, public(self, *args, **kwargs), name)
            return overwrite(self, public(self, *args, **kwargs), name)
        except Exception as error:
            refuse_types(error, change, (self, *args), kwargs)
            fold(error)
            raise

    change.__name__ = change.__qualname__ = name
    change.__module__ = public.__module__
    change.__doc__ = f"In-place version of `{public.__name__}`."
    setattr(change, "__wrapped__", public)  # noqa: B010 - whose parameters are its own
    return change


def _taken_first(public, keywords):
    """The argument for an operation's first parameter, taken out of those given by name."""
    name = next(iter(inspect.signature(public).parameters))
    given = [each for each in (name, *spellings((name,))) if each in keywords]
    if len(given) != 1:
        raise TypeError(f'{public.__name__}_() missing 1 required positional arguments: "{name}"')
    return keywords.pop(given[0])
