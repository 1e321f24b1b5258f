"""`kuai.backends.nnpack`: NNPACK: Kuai does not use it."""

__all__ = ["is_available"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.nnpack.is_available()
        False
    """
    return False
