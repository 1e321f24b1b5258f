"""Tuples whose fields have names, as the prover knows them: `Output(loss, logits=y)`, `_replace`.

What makes them is code that Python has written for their class, unless somebody has put other code
there; that is looked at, and watched.
"""

import collections
import types

from kuai.engine.compile.abstract_values import (
    Items,
    is_named_tuple,
    text_of_value,
    watch_named_tuple,
)
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused

__all__ = ["NamedTuples", "is_made_as_usual"]

_USUAL = collections.namedtuple("_Usual", "field")
_MAKING = ("__new__", "__new__.__code__", "__new__.__defaults__", "__init__")
_REPLACING = ("_replace", "_replace.__code__", "_make.__func__", "_make.__func__.__code__")


def is_made_as_usual(kind) -> bool:
    """Whether calling a class makes such a tuple of its arguments, and does nothing else."""
    if not is_named_tuple(kind) or kind.__init__ is not object.__init__:
        return False
    new = kind.__new__
    known = type(new) is types.FunctionType and new.__code__.co_names == ("_tuple_new",)
    return known and new.__globals__.get("_tuple_new") is tuple.__new__


class NamedTuples(Frame):
    """What makes such tuples."""

    def make_named_tuple(self, kind, arguments, keywords):
        """What a call of a class of such tuples gives."""
        watch_named_tuple(self.watch, kind)
        for name in _MAKING:
            self.watch.attribute(kind, name)
        new = kind.__new__
        fields, defaults = new.__code__.co_varnames[1:], new.__defaults__ or ()
        known = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))
        given = dict(zip(fields, arguments, strict=False))
        twice = not given.keys().isdisjoint(keywords)
        given |= keywords
        if twice or len(arguments) > len(fields) or not given.keys() <= {*fields}:
            raise Refused(f"a call of {text_of_value(kind)} with other arguments than it takes")
        if not {*fields} <= given.keys() | known.keys():
            raise Refused(f"a call of {text_of_value(kind)} without some of its fields")
        row = [given[n] if n in given else self.prover.found(known[n]) for n in fields]
        return Items(kind, row)

    def replace_fields(self, nest, arguments, keywords):
        """What `_replace` gives."""
        kind = nest.kind
        for name in (*_MAKING, *_REPLACING):
            self.watch.attribute(kind, name)
        usual = kind._replace.__code__ is _USUAL._replace.__code__
        usual &= kind._make.__func__.__code__ is vars(_USUAL)["_make"].__func__.__code__
        fields = kind.__new__.__code__.co_varnames[1:] if is_made_as_usual(kind) else ()
        if not usual or arguments or not keywords.keys() <= {*fields}:
            raise Refused(f"_replace of {text_of_value(kind)}")
        pairs = zip(fields, nest.values, strict=True)
        return Items(kind, [keywords.get(name, value) for name, value in pairs])
