"""How much of its processors a machine gives: a virtual one shares them with others.

A process that is given one processor in place of two is not twice but up to a hundred times slower
if its threads wait for each other by spinning, as those of OpenMP do. Times of such minutes say
something about the machine, and nothing about what is measured.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time

__all__ = ["Processors"]

_SECONDS = 0.04
_DATA = bytes(64 * 1024)  # hashing that much takes some 50 µs, without Python's lock


class Processors:
    """What the processors do together, by the most that they have been seen to do."""

    def __init__(self) -> None:
        self.most = max(_speed() for _ in range(10))

    def share(self) -> float:
        """What they do just now: 1 where they do as much as ever."""
        speed = _speed()
        self.most = max(self.most, speed)
        return speed / self.most


def _speed() -> float:
    """Blocks hashed in a second by all processors together."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    done = [0] * (count or 1)
    start = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - start < _SECONDS:
            hashlib.sha256(_DATA)
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - start)
