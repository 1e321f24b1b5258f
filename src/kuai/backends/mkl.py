"""`kuai.backends.mkl`: Intel's MKL: Kuai does not use it."""

__all__ = ["is_available"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.mkl.is_available()
        False
    """
    return False
