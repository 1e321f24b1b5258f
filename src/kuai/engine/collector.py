"""The garbage collector, which rests while the package is imported."""

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["resting"]


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """No search for garbage inside: what an import makes stays, and so does what JAX has made.

    Going through all of it again and again takes as long as a third of the import.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
