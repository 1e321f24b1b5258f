"""Attributes and entries that hold a tensor, another one after each call: see `kept_tensors`.

A tuple of tensors, as the state of an LSTM is, stands there in the same way: a `Row` of them.
"""

import weakref
from typing import Any

from kuai.engine.compile.abstract_values import TENSOR, Items
from kuai.engine.compile.origins import outline_of

__all__ = ["Again", "Entry", "Row", "Slot"]


class Slot:
    """An attribute that holds a tensor, another one after each call.

    Attributes:
        mapping: where it is found: an object's dictionary, or that of a module's buffers.
        is_read: whether the call reads what stands there before.
        value: what is known of what stands there now, in a proof.
        kind: the outline of what stood there before the call that was recorded.
        part: how the new tensor is made; see `results`.
    """

    is_row = False

    def __init__(self, thing, mapping, name):
        self._thing = weakref.ref(thing)
        self.mapping, self.name = mapping, name
        self.begin()

    def begin(self) -> None:
        """Begin a proof."""
        self.is_read, self.value = False, TENSOR
        self.kind: Any = None
        self.part: Any = None
        self.made: Any = None

    def read(self):
        """What is known of what stands there, for code that reads it."""
        self.is_read |= self.value is TENSOR
        return self.value

    @property
    def now(self) -> Any:
        """What stands there."""
        return dict.get(self.mapping, self.name)

    @property
    def each(self) -> list:
        """The places of single tensors."""
        return [self]

    def fits(self) -> bool:
        """Whether a tensor of the same kind stands there, which can be read."""
        now = self.now
        return outline_of(now) == self.kind and getattr(now._storage.held, "record", None) is None

    def fetch(self, arguments):
        """The input of a program, for a call with these arguments."""
        return self.now._storage.held

    def set(self, made, arguments) -> None:
        """Put the new tensor there."""
        self.made = self.part.build(made, arguments)
        self.put(self.made)

    def put(self, value) -> None:
        """Set the attribute."""
        setattr(self._thing(), self.name, value)

    def build(self, made, arguments):
        """The tensor that has been put there, where the call returns it as well."""
        return self.made


class Entry(Slot):
    """The same of an entry of a dict."""

    def __init__(self, mapping, name):
        self.mapping, self.name = mapping, name
        self.begin()

    def put(self, value) -> None:
        """Set the entry."""
        self.mapping[self.name] = value


class Element(Slot):
    """A place in the tuple that stands in a slot."""

    def __init__(self, row, number):
        self.row, self.number = row, number
        self.mapping, self.name = row.mapping, row.name
        self.begin()

    @property
    def now(self) -> Any:
        """What stands there."""
        return self.row.now[self.number] if self.row.is_there() else None

    def set(self, made, arguments) -> None:
        """Make the new tensor, which the row puts there."""
        self.made = self.part.build(made, arguments)


class Row:
    """An attribute or entry that holds a tuple of tensors, another one after each call.

    Attributes:
        slot: where it stands.
        each: the places of its tensors.
        value: what is known of what stands there now, in a proof, once the call has set it.
        made: the new tuple, until the call has returned.
    """

    is_row = True

    def __init__(self, slot):
        self.slot, self.mapping, self.name = slot, slot.mapping, slot.name
        self.each = [Element(self, number) for number in range(len(slot.now))]
        self.begin()

    def begin(self) -> None:
        """Begin a proof."""
        self.value: Any = None
        self.made: Any = None
        for element in self.each:
            element.begin()

    def read(self):
        """What is known of what stands there, for code that reads it."""
        if self.value is not None:
            return self.value
        return Items(tuple, [element.read() for element in self.each])

    @property
    def now(self) -> Any:
        """What stands there."""
        return self.slot.now

    def is_there(self) -> bool:
        """Whether a tuple of that length stands there."""
        now = self.now
        return type(now) is tuple and len(now) == len(self.each)

    def set(self) -> None:
        """Put the new tuple there, when its tensors have been made."""
        self.made = tuple([element.made for element in self.each])
        self.slot.put(self.made)

    def build(self, made, arguments):
        """The tuple that has been put there, where the call returns it as well."""
        return self.made


class Again(Exception):
    """A proof has to begin anew, with one more slot."""

    def __init__(self, slot):
        super().__init__()
        self.slot = slot
