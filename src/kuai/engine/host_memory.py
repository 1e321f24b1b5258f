"""On request freed memory stays with the process, so that a step need not ask for it again.

XLA allocates the temporary memory of a program at every call. glibc takes a piece of that size from
the system and gives it back afterwards, and the system fills its pages with zeros one fault at a
time: a fifth of a ResNet-18 step on two cores (35,500 faults; none with these settings).

* No allocation gets a mapping of its own (`M_MMAP_MAX`), and there is one heap, as only the main
  one can grow without limit (`M_ARENA_MAX`).
* Up to 2 GB at the end of the heap are kept (`M_TRIM_THRESHOLD`).

Only on request, `KUAI_KEEP_MEMORY=1`: it concerns the whole process, and with one heap for all
threads small programs wait for each other (a small MLP's step takes 1.3 of its time), so it is for
networks whose temporary memory is large.
"""

import ctypes
import os
import sys

__all__ = ["keep_freed"]

_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1  # from glibc's malloc.h
_MOST_KEPT = (1 << 31) - 1  # bytes; the parameter is an int


def keep_freed() -> bool:
    """Set glibc's allocator so that it keeps what is freed, if that is wanted; whether it is."""
    if sys.platform != "linux" or os.environ.get("KUAI_KEEP_MEMORY", "0") != "1":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST_KEPT))
    return all([mallopt(*setting) == 1 for setting in settings])
