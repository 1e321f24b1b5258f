"""What compiled programs, and compiling them, need of memory and leave there.

Compiling a large program takes hundreds of MB for a while, of which the C library keeps most for
later use. Asked to, it gives back what is free.

Every program maps a few pages of machine code, and Linux allows a process a limited number of such
mappings (`vm.max_map_count`, usually 65,530). A long run with ever new shapes would come to the
point where nothing can be compiled or allocated any more. Before it does, JAX is told to forget all
its programs; those still needed are made again, mostly from the cache on disk.
"""

import contextlib
import ctypes
import functools
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import jax

from kuai.engine import collector

__all__ = ["at_first_large", "compiling", "give_back_after", "is_large", "look_at", "watch"]

_MAPS = pathlib.Path("/proc/self/maps")
_LIMIT = pathlib.Path("/proc/sys/vm/max_map_count")
_EVERY = 500  # programs between two looks
_SHARE = 0.4  # of the limit
_LONG = 0.25  # seconds


_LARGE = 2**21  # bytes of a result
_preparations: list[Callable[[], None]] = []


def at_first_large(function: Callable[[], None]) -> None:
    """Have a function called when the first program is met that needs much memory."""
    _preparations.append(function)


def is_large() -> None:
    """A program has been met that needs much memory."""
    while _preparations:
        _preparations.pop()()


def look_at(results: Iterable[Any]) -> None:
    """Say so if these are results of such a program."""
    if _preparations and any([array.nbytes >= _LARGE for array in results]):
        is_large()


class _Watch:
    def __init__(self, limit: int):
        self.limit = limit
        self.programs = 0

    def __call__(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if not event.endswith("backend_compile_duration"):
            return
        self.programs += 1
        if self.programs % _EVERY == 0 and _mappings() > self.limit:
            jax.clear_caches()


def _mappings() -> int:
    with _MAPS.open("rb") as lines:
        return sum(1 for _ in lines)


def watch() -> None:
    """Have JAX forget its programs before they use up the mappings of the process."""
    try:
        limit = int(_LIMIT.read_text())
    except (OSError, ValueError):
        return  # not Linux: there is no such limit
    jax.monitoring.register_event_duration_secs_listener(_Watch(int(_SHARE * limit)))


@contextlib.contextmanager
def compiling():
    """Around what makes a program and runs it for the first time.

    The garbage collector rests: a large program is made of millions of objects that all stay until
    it is compiled, and looking through them again and again takes a tenth of the time.
    """
    with collector.resting():
        yield


def give_back_after(seconds: float) -> None:
    """Give back what is free, if compiling took so long that it may have left much of that."""
    if seconds > _LONG:
        _give_back()(0)


@functools.cache
def _give_back():
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library than GNU's
        return lambda kept: None
