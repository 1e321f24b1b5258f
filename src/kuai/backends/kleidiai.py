"""`kuai.backends.kleidiai`: KleidiAI: Kuai does not use it."""

__all__ = ["is_available"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.kleidiai.is_available()
        False
    """
    return False
