"""Programs that need much memory are started one after the other, on a CPU.

XLA takes the memory for all of a program's intermediate results when the program is started. If
that is while another one still runs, both have theirs at the same time, although nothing of the
second is computed yet. So the second is started when the first has ended; Python goes on as far as
there, and other programs are not waited for.
"""

import contextlib

import jax

__all__ = ["ended", "started"]

_last: list[jax.Array] = []  # a result of the program that was started last


def ended() -> None:
    """Wait until the last one has ended."""
    while _last:
        result = _last.pop()
        # those who use its results hear of its errors
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            if not result.is_deleted():
                result.block_until_ready()


def started(results: tuple[jax.Array, ...]) -> None:
    """A program has been started that gives these results."""
    if results:
        _last.append(min(results, key=lambda array: array.nbytes))
