"""Dicts in which tensors are keys: what is kept for each parameter.

    state = self.state[p]

A tensor is like no other thing, so such an entry is found by its identity, as an entry under a text
is by the text. A `defaultdict` is read like a dict where the entry is there.
"""

import collections

from kuai.engine.compile.abstract_values import Known, text_of_value
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor import Tensor

__all__ = ["Tables", "is_table"]


def is_table(thing) -> bool:
    """Whether a thing is a dict, or one that makes entries when it is asked for others."""
    return type(thing) is dict or type(thing) is collections.defaultdict


class Tables(Frame):
    """The entries of dicts that were there before the call."""

    def key_of(self, value):
        """What a table is asked for: a plain value or a tensor."""
        kind = type(value.value) if isinstance(value, Known) else None
        if kind is None or Tensor not in kind.__mro__:
            return self.plain(value)
        for name in ("__hash__", "__eq__"):
            self.watch.attribute(kind, name)
        if kind.__hash__ is not object.__hash__ or kind.__eq__ is not Tensor.__eq__:
            raise Refused(f"{text_of_value(value)}, which says for itself what it is like")
        return value.value

    def entry(self, table, key):
        """An entry of a table."""
        key = self.key_of(key)
        if (slot := self.slot_at(table, key)) is not None:
            return slot.read()
        if not self.has_entry(table, key):
            raise Refused("an entry that a dict does not have")
        return self.prover.found(dict.__getitem__(table, key))

    def has_entry(self, table, key) -> bool:
        """Whether a dict has an entry."""
        if (slot := self.slot_at(table, key)) is not None:
            slot.read()  # so that one has to be there
            return True
        self.watch.entries(table, [key])
        return dict.__contains__(table, key)
