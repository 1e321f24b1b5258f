"""Members of enumerations, as the prover knows them: `Mode.A`, `mode.value`, `mode == Mode.A`.

An enumeration's metaclass keeps programs from changing it, but not all of it: what stands in its
class, and what its name for a member gives, is watched.
"""

import enum
from typing import Any

from kuai.engine.compile.abstract_values import Known, text_of_value
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor.attributes import own_of

__all__ = ["Enumerations", "is_enumeration", "is_member"]

_KIND: Any = enum.EnumType
_KEPT = {"value": "_value_", "name": "_name_", "_value_": "_value_", "_name_": "_name_"}
_BASES = (object, int, str, float)
_READ_AS_USUAL = [base.__getattribute__ for base in _BASES]


def is_enumeration(thing) -> bool:
    """Whether a thing is a class of members with names."""
    return type(thing) is _KIND


def is_member(thing) -> bool:
    """Whether a thing is a member of such a class."""
    return type(type(thing)) is _KIND


class Enumerations(Frame):
    """What is read of members and their classes."""

    def member(self, owner, name):
        """What `Mode.A` gives."""
        kind = owner.value
        there = kind.__dict__.get("_member_map_", {})
        if name not in there:
            raise Refused(f"{name} of {text_of_value(owner)}, which is no member")
        self._watch_class(kind)
        self.watch.attribute(kind, name)
        if getattr(kind, name) is not there[name]:
            raise Refused(f"{name} of {text_of_value(owner)}, which somebody has replaced")
        return self.prover.found(there[name])

    def of_member(self, owner, name):
        """Value or name of a member, or an attribute of its own."""
        thing = owner.value
        kind, attributes = type(thing), own_of(thing)
        kept = _KEPT.get(name, name)
        of_class = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)
        usual = of_class is vars(enum.Enum).get(name)
        if attributes is None or kept not in attributes or not usual:
            raise Refused(f"{name} of {text_of_value(owner)}")
        if kind.__getattribute__ not in _READ_AS_USUAL:
            raise Refused(f"{name} of {text_of_value(owner)}, which says for itself what it has")
        self._watch_class(kind)
        self.watch.object(thing)
        self.watch.entries(attributes, [kept])
        return self.prover.found(attributes[kept])

    def are_equal(self, one, other) -> bool:
        """Whether two values, plain ones or members, are the same or equal, as `in` asks."""
        one, other = self.comparable(one), self.comparable(other)
        return one is other or one == other

    def comparable(self, value):
        """What Python compares of a value, which must not run code of the user's."""
        thing = value.value if isinstance(value, Known) else None
        if not is_member(thing):
            return self.plain(value)
        kind = type(thing)
        self._watch_class(kind)
        self.watch.object(thing)
        for name in ("__eq__", "__ne__"):
            if getattr(kind, name) not in [getattr(base, name) for base in _BASES]:
                raise Refused(f"{name} of {text_of_value(kind)}")
        return thing

    def _watch_class(self, kind) -> None:
        """Watch all that stands in a class and in those it inherits from."""
        self.watch.attribute(kind, "__mro__")
        for each in kind.__mro__[:-1]:
            if each not in _BASES:
                self.watch.code(each)
