"""`kuai.jit.annotations`: types that TorchScript knows in annotations."""

import typing
from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035 - names that are imported

__all__ = [
    "Any",
    "Attribute",
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Dict",
    "Future",
    "List",
    "Optional",
    "Tuple",
    "Union",
]


class _BroadcastingList:
    """`BroadcastingList2[int]`: a number, or a list of that many."""

    def __getitem__(self, kind):
        return Union[kind, List[kind]]  # noqa: UP006, UP007 - made at run time


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _BroadcastingList()
BroadcastingList4 = BroadcastingList5 = BroadcastingList6 = BroadcastingList1


class Attribute(typing.NamedTuple):
    """A value with its type."""

    value: Any
    type: Any


class Future:
    """A result that is there."""

    def __init__(self, value=None):
        self._value = value

    def wait(self):
        """The result."""
        return self._value

    def value(self):
        """The result."""
        return self._value

    def done(self) -> bool:
        """Whether the result is there."""
        return True

    def then(self, callback):
        """A future of what the callback makes of this one."""
        return Future(callback(self))

    def __class_getitem__(cls, kind):
        return cls
