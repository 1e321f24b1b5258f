"""Sizes that are not known: PyTorch's `SymInt` and its relatives, which Kuai never makes.

All sizes are Python numbers here, also in compiled functions, so the classes are for annotations
and `isinstance`, and the functions are those of numbers.
"""

import math
from collections.abc import Iterable

__all__ = [
    "SymBool",
    "SymFloat",
    "SymInt",
    "sym_float",
    "sym_int",
    "sym_ite",
    "sym_max",
    "sym_min",
    "sym_not",
    "sym_sqrt",
    "sym_sum",
]


class SymInt:
    """An unknown whole number in PyTorch; nothing is one here."""


class SymFloat:
    """An unknown float in PyTorch; nothing is one here."""


class SymBool:
    """An unknown truth in PyTorch; nothing is one here."""


def sym_int(a):
    """A number as an int.

    Example:
        >>> kuai.sym_int(2.5), kuai.sym_max(2, 3.0), kuai.sym_not(True)
        (2, 3.0, False)
    """
    return math.floor(a) if isinstance(a, float) and a >= 0 else int(a)


def sym_float(a):
    """A number as a float."""
    return float(a)


def sym_not(a):
    """`not a`."""
    return not a


def sym_max(a, b):
    """The larger number; a float if one of them is."""
    return type(a + b)(max(a, b))


def sym_min(a, b):
    """The smaller number; a float if one of them is."""
    return type(a + b)(min(a, b))


def sym_sum(*args):
    """The sum of numbers, or of one list of them.

    Example:
        >>> kuai.sym_sum(1, 2, 3), kuai.sym_sum([1, 2.5])
        (6, 3.5)
    """
    numbers = args[0] if len(args) == 1 and isinstance(args[0], Iterable) else args
    return sum(numbers)


def sym_ite(b, t, f):
    """`t if b else f`."""
    return t if b else f


def sym_sqrt(a):
    """The square root of a number."""
    return math.sqrt(a)
