"""Comparing many things with what they were, in one go: see `watch`.

All of these take tuples of one length, and read dictionaries as they are: a subclass's own code is
not run. Where the package was built with a compiler, functions in C take their place
that do the same several times faster (`native/comparing.c`).
"""

from itertools import repeat
from operator import is_

__all__ = ["ABSENT", "has_entries", "has_sizes", "lacks_entries"]

ABSENT = object()


def has_entries(mappings: tuple, keys: tuple, values: tuple, /) -> bool:
    """Whether each mapping has, under the key beside it, the very object beside that.

    Example:
        >>> has_entries(({"a": None}, {}), ("a", "b"), (None, None))
        False
    """
    return all(map(is_, map(dict.get, mappings, keys, repeat(ABSENT)), values))


def lacks_entries(mappings: tuple, keys: tuple, /) -> bool:
    """Whether no mapping has the key beside it.

    Example:
        >>> lacks_entries(({"a": None}, {}), ("b", "b"))
        True
    """
    return not any(map(dict.__contains__, mappings, keys))


def has_sizes(containers: tuple, sizes: tuple, /) -> bool:
    """Whether each container has the size beside it.

    Example:
        >>> has_sizes(([1, 2], {}), (2, 0))
        True
    """
    return tuple(map(len, containers)) == sizes


try:
    from kuai.engine.compile._comparing import has_entries, has_sizes, lacks_entries
except ImportError:
    pass  # no compiler was there: those above are right, and slower
