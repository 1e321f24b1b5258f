"""How much memory a piece of work takes at its peak."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Any

_PAUSE = 0.002


def resident() -> tuple[int, int]:
    """The resident bytes of this process, and those that are its own (not pages of files)."""
    found = {}
    with open("/proc/self/status") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "RssAnon"):
                found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["RssAnon"]


def give_back() -> None:
    """Let the C library return what was freed, so that it does not hide what is taken next."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


class Peak:
    """Samples the memory while a block runs; afterwards `all` and `own` are the peaks above what
    there was before."""

    def __enter__(self) -> Peak:
        give_back()
        self._before = self._highest = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._sample()
        self._done.set()
        self._thread.join()
        self.all, self.own = (
            high - low for high, low in zip(self._highest, self._before, strict=True)
        )

    def _watch(self) -> None:
        while not self._done.is_set():
            self._sample()
            time.sleep(_PAUSE)

    def _sample(self) -> None:
        self._highest = tuple(map(max, self._highest, resident()))
