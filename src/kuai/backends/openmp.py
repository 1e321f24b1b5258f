"""`kuai.backends.openmp`: OpenMP: XLA has threads of its own."""

__all__ = ["is_available"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.openmp.is_available()
        False
    """
    return False
