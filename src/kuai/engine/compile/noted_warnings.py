"""Warnings that a call gives, noted while it runs: a call that warns is not replayed.

`warnings.warn` is wrapped as long as some thread wants to know, because a filter may hide now what
it shows later. There is one wrapper for all threads: the first one to want it puts it there, the
last one takes it away. It holds nothing of a call, so that it does no harm where somebody who has
put a function of his own there meanwhile brings it back.
"""

import contextlib
import functools
import threading
import warnings
from typing import Any

__all__ = ["NotedWarnings", "unnoted"]

_lock = threading.Lock()
_mine = threading.local()  # `given`: the lists in which this thread's warnings are noted


class _Wrapper:
    """What stands in `warnings.warn`, and how many want it to."""

    function: Any = None
    wanted = 0


class NotedWarnings:
    """Warnings that the present thread gives between `begin` and `end`.

    Example:
        >>> noted = NotedWarnings()
        >>> noted.begin()
        >>> noted.end()
        False
    """

    def begin(self) -> None:
        """Note warnings from now on."""
        self._given: list = []
        _mine.given = [*getattr(_mine, "given", ()), self._given]
        with _lock:
            if not _Wrapper.wanted:
                _Wrapper.function = warnings.warn = _wrapping(warnings.warn)
            _Wrapper.wanted += 1

    def end(self) -> bool:
        """Whether there were warnings, or may have been."""
        _mine.given = [each for each in _mine.given if each is not self._given]
        with _lock:
            _Wrapper.wanted -= 1
            replaced = warnings.warn is not _Wrapper.function
            if not _Wrapper.wanted and not replaced:
                warnings.warn = _Wrapper.function.__wrapped__
        return replaced or bool(self._given)


@contextlib.contextmanager
def unnoted():
    """Note no warnings of this thread: the code inside is run again by a replay, too."""
    given, _mine.given = getattr(_mine, "given", ()), ()
    try:
        yield
    finally:
        _mine.given = given


def _wrapping(function):
    @functools.wraps(function)
    def warn(message, category=None, stacklevel=1, source=None, **options):
        for given in getattr(_mine, "given", ()):
            given.append(True)
        return function(message, category, stacklevel + 1, source, **options)

    return warn
