"""What is known of objects and functions, so that code which uses them can be proven.

The layers above say it of their own kinds, with a `Description`. Of a kind that nobody has
described nothing is known. Operations are known because they are registered: they depend on their
arguments and on the modes of the thread.
"""

import dataclasses
import types
from collections.abc import Callable

from kuai.engine.op.registry import REGISTRY

__all__ = [
    "Description", "Refused", "complete", "description_of", "describes", "done", "is_pure", "later",
    "pure",
]  # fmt: skip


class Refused(Exception):
    """Something cannot be proven; the message says what it is."""


@dataclasses.dataclass
class Description:
    """What a layer above knows of a kind of object.

    Attributes:
        methods: name -> `watch(prover, thing)`, which adds to `prover.watch` all that the method
            depends on, or raises `Refused`. Such a method changes tensors only.
        call: `call(prover, thing)` does the same for a call of the thing; it returns the function
            of the user's that the call runs, or None.
        calls: name -> what `call` is for a call of the thing, for a method that calls it.
        slots: `slots(prover, thing)` gives the dictionaries in which attributes are found at last.
        parts: name -> `parts(prover, thing)`, the elements that such a method, without arguments,
            gives one after the other; it watches what they depend on.
        changing: name -> what `watch` is for a method, without arguments, that returns None and
            changes nothing but plain values in the dictionaries that `prover.watch.written` is told
            of; each replay calls it (see `changes`).
        assigning: what `watch` is for an attribute that is set to the very thing it holds.
        tables: name -> `keys(prover, thing)`, the keys of the dictionary of tensors that such a
            method, without arguments, makes.
    """

    methods: dict[str, Callable]
    call: Callable | None = None
    calls: dict[str, Callable] = dataclasses.field(default_factory=dict)
    slots: Callable = lambda prover, thing: ()
    parts: dict[str, Callable] = dataclasses.field(default_factory=dict)
    changing: dict[str, Callable] = dataclasses.field(default_factory=dict)
    assigning: Callable | None = None
    tables: dict[str, Callable] = dataclasses.field(default_factory=dict)


_descriptions: dict[type, Description] = {}
_pure: set = set()
_later: list[Callable[[], None]] = []


def later(describe: Callable[[], None]) -> None:
    """Have `describe()` called before the first proof; what it needs may be loaded there."""
    _later.append(describe)


def complete() -> None:
    """Call what was to be called later."""
    while _later:
        _later.pop()()


def describes(kind: type, description: Description) -> None:
    """Say what is known of a kind of object, and of its subclasses."""
    _descriptions[kind] = description


def description_of(thing) -> Description | None:
    """What is known of a thing's kind, if anything is."""
    kinds = type(thing).__mro__
    return next((_descriptions[kind] for kind in kinds if kind in _descriptions), None)


def pure(function):
    """Decorator: a function that depends on its arguments alone and changes tensors only."""
    _pure.add(function)
    return function


def is_pure(function) -> bool:
    """Whether a function depends on its arguments alone and changes tensors only."""
    if REGISTRY.exports(function):
        return True
    return type(function) is types.FunctionType and function in _pure


def done(function, arguments):
    """The result of plain Python on plain values."""
    try:
        return function(*arguments)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Refused(f"a {type(error).__name__}") from None
