"""Programs that need much memory are started one after the other by each thread, on a CPU.

XLA takes the memory for all of a program's intermediate results when the program is started. If
that is while another one still runs, both have theirs at the same time, although nothing of the
second is computed yet. So a thread starts the second when the first has ended; its Python goes on
as far as there, and other programs are not waited for.
"""

import contextlib
import threading

import jax

__all__ = ["ended", "started"]


class _Last(threading.local):
    result: jax.Array | None = None  # of the program that this thread has started last


_last = _Last()


def ended() -> None:
    """Wait until the last one has ended."""
    result, _last.result = _last.result, None
    if result is None or result.is_deleted():
        return
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # who uses the results hears of it
        result.block_until_ready()


def started(result: jax.Array) -> None:
    """A program has been started that gives a result, which is held until the program has ended."""
    _last.result = result
