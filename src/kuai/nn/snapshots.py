"""Snapshots of Python values: equal if, and only if, nothing that can be compared has changed.

Plain values are compared by type and value, lists and dicts by their contents, NumPy arrays by
theirs, an object by identity (its attributes have a snapshot of their own). Entries that are
`loose`, because a program itself writes them, are left out.
"""

import zlib

import numpy as np

__all__ = ["CONTAINERS", "PLAIN", "attributes", "in_words", "inside", "is_same", "snapshot"]
__all__ += ["space_of"]

PLAIN = (int, float, bool, complex, str, bytes, type(None), slice, type(Ellipsis))
CONTAINERS = (list, tuple, dict, set, frozenset)
LONGEST = 1000  # a longer container is data rather than settings: too long for every call
_LONGEST_TEXT = 60
_SMALL = 1 << 16  # bytes of a NumPy array that are kept for comparison


class Same:
    """An object compared by identity, kept alive so that its address is not used again."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, Same) and self.thing is other.thing

    __hash__ = None


def snapshot(thing, depth: int = 4, loose=frozenset()):
    """What a value is now, in a form that can be compared with what it is later."""
    if isinstance(thing, PLAIN):
        return (type(thing), thing)
    if isinstance(thing, np.ndarray):
        return _array(thing)
    if not depth or not isinstance(thing, CONTAINERS):
        return Same(thing)
    if len(thing) > LONGEST:
        return (Same(thing), len(thing))
    return _container(thing, depth - 1, loose)


def _container(thing, depth, loose):
    if isinstance(thing, dict):
        return (
            dict,
            [
                (snapshot(key, 1), snapshot(value, depth, loose))
                for key, value in thing.items()
                if (id(thing), key) not in loose
            ],
        )
    if isinstance(thing, (list, tuple)):
        return (type(thing), [snapshot(item, depth, loose) for item in thing])
    plain = frozenset(item for item in thing if isinstance(item, PLAIN))
    return (type(thing), plain, len(thing))


def _array(array):
    if array.dtype.hasobject:
        return Same(array)
    contents = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    small = contents.nbytes <= _SMALL
    return (array.shape, array.dtype, contents.tobytes() if small else zlib.crc32(contents))


def inside(value, loose=frozenset()):
    """A snapshot of a value that can change while it stays the same object; else None."""
    return snapshot(value, 4, loose) if isinstance(value, (*CONTAINERS, np.ndarray)) else None


def is_same(now, before, contents, loose=frozenset()) -> bool:
    """Whether a value is still the one before; `contents` is what `inside` gave for it."""
    if isinstance(before, PLAIN):
        return type(now) is type(before) and now == before
    if contents is None:
        return now is before
    return snapshot(now, 4, loose) == contents


def in_words(value) -> str:
    """A plain value as a short text; of any other, its type."""
    text = repr(value) if isinstance(value, PLAIN) else ""
    return text if 0 < len(text) < _LONGEST_TEXT else f"a {type(value).__name__}"


def space_of(thing) -> dict:
    """The attributes of an object as a dict; of one with `__slots__`, a new dict."""
    found = getattr(thing, "__dict__", None)
    if found is not None:
        return found
    names = [n for kind in type(thing).__mro__ for n in getattr(kind, "__slots__", ())]
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def attributes(thing, loose=frozenset()):
    """A snapshot of an object's attributes."""
    space = space_of(thing)
    return [
        (name, snapshot(value, 4, loose))
        for name, value in space.items()
        if (id(space), name) not in loose
    ]
