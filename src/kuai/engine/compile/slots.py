"""Attributes and entries that hold a tensor, another one after each call: see `kept_tensors`."""

import weakref
from typing import Any

from kuai.engine.compile.abstract_values import TENSOR
from kuai.engine.compile.origins import outline_of

__all__ = ["Again", "Entry", "Slot"]


class Slot:
    """An attribute that holds a tensor, another one after each call.

    Attributes:
        mapping: where it is found: an object's dictionary, or that of a module's buffers.
        is_read: whether the call reads what stands there before.
        value: what is known of what stands there now, in a proof.
        kind: the outline of what stood there before the call that was recorded.
        part: how the new tensor is made; see `results`.
    """

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
        setattr(self._thing(), self.name, self.made)

    def build(self, made, arguments):
        """The tensor that has been put there, where the call returns it as well."""
        return self.made


class Entry(Slot):
    """The same of an entry of a dict."""

    def __init__(self, mapping, name):
        self.mapping, self.name = mapping, name
        self.begin()

    def set(self, made, arguments) -> None:
        """Put the new tensor there."""
        self.made = self.part.build(made, arguments)
        self.mapping[self.name] = self.made


class Again(Exception):
    """A proof has to begin anew, with one more slot."""

    def __init__(self, slot):
        super().__init__()
        self.slot = slot
