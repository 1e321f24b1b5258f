"""Who else holds an array: whether its memory may be given away."""

import sys

from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["is_unshared"]


def is_unshared(placeholder, known: int) -> bool:
    """Whether nobody can use a placeholder's array but those who ask.

    Args:
        known: how many references to the placeholder the caller knows of.
    """
    if placeholder.exposed:
        return False
    holders = sys.getrefcount(placeholder) - known
    return holders <= _own_holders and sys.getrefcount(placeholder.array) <= _array_holders


def _measured():
    # what the interpreter itself holds in a call differs between versions: measured, not counted
    placeholder = Placeholder(None, 0, None)
    placeholder.array = object()
    return _holders_seen_inside(placeholder)


def _holders_seen_inside(placeholder):
    return sys.getrefcount(placeholder) - 1, sys.getrefcount(placeholder.array)


_own_holders, _array_holders = _measured()
