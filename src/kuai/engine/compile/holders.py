"""Who else holds an array: whether its memory may be given away."""

import sys
import weakref

from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["are_unshared", "is_unshared"]


def is_unshared(placeholder, known: int) -> bool:
    """Whether nobody can use a placeholder's array but those who ask.

    Args:
        known: how many references to the placeholder the caller knows of.
    """
    if placeholder.exposed:
        return False
    holders = sys.getrefcount(placeholder) - known
    return holders <= _own_holders and sys.getrefcount(placeholder.array) <= _array_holders


def are_unshared(placeholders: list, arrays: list, known: int) -> bool:
    """Whether nobody knows any of the placeholders, or can use their arrays, but those who ask.

    Args:
        placeholders: some; nothing holds this list's elements for being in it but the list.
        arrays: theirs, likewise.
        known: how many references to each placeholder the caller knows of beside the list's.
    """
    if any([each.exposed for each in placeholders]):
        return False
    if max(map(sys.getrefcount, placeholders), default=0) > _seen_in_list + known:
        return False
    if any(map(weakref.getweakrefcount, placeholders)):
        return False
    return max(map(sys.getrefcount, arrays), default=0) <= _seen_in_list + 1


def _measured():
    # what the interpreter itself holds in a call differs between versions: measured, not counted
    placeholder = Placeholder(None, 0, None)
    placeholder.array = object()
    return _holders_seen_inside(placeholder)


def _holders_seen_inside(placeholder):
    return sys.getrefcount(placeholder) - 1, sys.getrefcount(placeholder.array)


_own_holders, _array_holders = _measured()
_seen_in_list = max(map(sys.getrefcount, [object()]))
