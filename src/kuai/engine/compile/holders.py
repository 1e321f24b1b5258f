"""Who else holds an array: whether its memory may be given away."""

import sys
from sys import getrefcount

import jax.numpy as jnp

from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["REFERENCES", "given_away", "is_unshared"]


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


def given_away(row, limits):
    """Of each placeholder in a row its array, if nobody else can use it, or else a copy.

    Args:
        limits: how many references to each are known: `REFERENCES`, and what the caller knows of
            beside the row.

    Returns:
        The placeholders whose arrays are their own (None in the place of others), and the arrays.
    """
    ours, arrays = [], []
    for placeholder, limit in zip(row, limits, strict=True):
        if (
            placeholder.exposed
            or getrefcount(placeholder) > limit
            or (getrefcount(placeholder.array) > _array_holders)
        ):
            ours.append(None)
            arrays.append(jnp.copy(placeholder.array))
        else:
            ours.append(placeholder)
            arrays.append(placeholder.array)
    return ours, tuple(arrays)


def _references_in_a_row():
    """How often something is referred to that is in a row alone, as `given_away` sees it."""

    def seen(row, limits):
        for placeholder, _ in zip(row, limits, strict=True):
            return getrefcount(placeholder)

    return seen([Placeholder(None, 0, None)], [0])


REFERENCES = _references_in_a_row() + 1  # the list of all inputs
