"""`kuai.backends.nnpack`: NNPACK: Kuai does not use it."""

import contextlib

__all__ = ["flags", "is_available", "set_flags"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.nnpack.is_available()
        False
    """
    return False


def set_flags(_enabled: bool) -> tuple[bool]:
    """Accepted; it was off, and stays so."""
    return (False,)


@contextlib.contextmanager
def flags(enabled: bool = False):
    """A context that changes nothing."""
    yield
