"""Who else holds an array: whether its memory may be given away."""

import sys
from sys import getrefcount

import jax.numpy as jnp

from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["given_away", "is_unshared"]


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


# A row at once, for replays -----------------------------------------------------------------------


def given_away(row):
    """Of each placeholder in a row its array, if nobody else can use it, or else a copy.

    Each is in the row, in the list of all inputs that the caller has, and nowhere else.
    """
    return tuple([_own(each) for each in row])


def _own(placeholder):
    shared = placeholder.exposed or getrefcount(placeholder) > _in_a_row
    if shared or getrefcount(placeholder.array) > _array_holders:
        return jnp.copy(placeholder.array)
    return placeholder.array


def _references_in_a_row() -> int:
    """How often something is referred to that is in a row alone, as `_own` sees it."""
    return [_count(each) for each in [Placeholder(None, 0, None)]][0]


def _count(placeholder) -> int:
    """The number of references in a function that is called as `_own` is."""
    return getrefcount(placeholder)


_in_a_row = _references_in_a_row() + 1  # the list of all inputs
