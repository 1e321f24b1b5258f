"""Waiting for a value on a CPU: a short wait is spent looking, a long one asleep.

A thread that sleeps until XLA has computed something is woken 20 to 60 µs after that, and a small
training step takes no longer altogether. So whoever asks for a value looks for it at first, and
goes to sleep when it takes longer. Where looking has been in vain, the next askers of the thread
sleep at once, twice as many each time, so that long steps keep their processors to themselves.
"""

import threading
from time import perf_counter

from kuai.engine.tensor import devices

__all__ = ["look_for"]

_LONGEST = 100e-6  # seconds
_MOST_SKIPPED = 256  # waits


class _Looking(threading.local):
    """What a thread has seen of its waits: `skipped` of them after each that was too long."""

    left = 0
    skipped = 1


_looking = _Looking()


def look_for(array) -> None:
    """Look until an array is there, for a short time at most; it need not be there afterwards."""
    is_ready = getattr(array, "is_ready", None)  # of JAX's arrays
    if is_ready is None or is_ready():
        return
    if _looking.left:
        _looking.left -= 1
        return
    if devices.device_of(array).type != "cpu":
        return  # the copy to the host is asked for before it can be made
    end = perf_counter() + _LONGEST
    while perf_counter() < end:
        if is_ready():
            _looking.skipped = 1
            return
    _looking.left = _looking.skipped
    _looking.skipped = min(2 * _looking.skipped, _MOST_SKIPPED)
