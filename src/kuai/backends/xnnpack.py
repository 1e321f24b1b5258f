"""`kuai.backends.xnnpack`: XNNPACK: Kuai does not use it."""

__all__ = ["is_available"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.xnnpack.is_available()
        False
    """
    return False
