"""Snapshots of Python values: equal if, and only if, nothing that can be compared has changed.

Plain values are compared by type and value, lists and dicts by their contents, NumPy arrays by
theirs, any other object by identity.
"""

import zlib

import numpy as np

__all__ = ["snapshot"]

_PLAIN = (int, float, bool, complex, str, bytes, type(None), slice, type(Ellipsis))
_CONTAINERS = (list, tuple, dict, set, frozenset)
_LONGEST = 1000  # a longer container is data rather than settings: too long for every call
_SMALL = 1 << 16  # bytes of a NumPy array that are kept for comparison


class _Same:
    """An object compared by identity, kept alive so that its address is not used again."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, _Same) and self.thing is other.thing


def snapshot(thing, depth: int = 4):
    """What a value is now, in a form that can be compared with what it is later."""
    if isinstance(thing, _PLAIN):
        return (type(thing), thing)
    if isinstance(thing, np.ndarray):
        return _array(thing)
    if not depth or not isinstance(thing, _CONTAINERS):
        return _Same(thing)
    if len(thing) > _LONGEST:
        return (_Same(thing), len(thing))
    return _container(thing, depth - 1)


def _container(thing, depth):
    if isinstance(thing, dict):
        items = thing.items()
        return (dict, [(snapshot(key, 1), snapshot(value, depth)) for key, value in items])
    if isinstance(thing, (list, tuple)):
        return (type(thing), [snapshot(item, depth) for item in thing])
    plain = frozenset(item for item in thing if isinstance(item, _PLAIN))
    return (type(thing), plain, len(thing))


def _array(array):
    if array.dtype.hasobject:
        return _Same(array)
    contents = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    small = contents.nbytes <= _SMALL
    return (array.shape, array.dtype, contents.tobytes() if small else zlib.crc32(contents.data))
