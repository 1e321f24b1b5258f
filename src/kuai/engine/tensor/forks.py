"""What is done so that a fork of the program can end.

An array that goes away takes a lock of jaxlib's, which any thread of XLA takes for a moment when
an operation ends. A fork copies the lock as it is, and has none of those threads: if it was taken
then, the first array that goes away in the fork waits for ever. PyTorch's loaders and many other
tools fork programs, and need none of their arrays; so these stay where they are in the fork.
"""

import functools
import os

import jax

__all__ = ["keep_arrays"]


@functools.cache
def keep_arrays(platform: str) -> None:
    """Have each fork of the program, from now on, hold what it inherits on a platform's devices."""
    if not hasattr(os, "register_at_fork"):
        return
    held: list[jax.Array] = []
    os.register_at_fork(
        before=lambda: held.extend(jax.live_arrays(platform)), after_in_parent=held.clear
    )
