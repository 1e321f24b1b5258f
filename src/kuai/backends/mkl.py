"""`kuai.backends.mkl`: Intel's MKL: Kuai does not use it."""

import contextlib

__all__ = ["is_available", "verbose"]

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.mkl.is_available()
        False
    """
    return False


@contextlib.contextmanager
def verbose(enable: int):
    """A context that changes nothing."""
    yield
