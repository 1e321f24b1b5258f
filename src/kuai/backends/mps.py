"""`kuai.backends.mps`: Apple's GPUs: JAX as it is installed here has none."""

__all__ = ["is_available", "is_built", "is_macos13_or_newer", "is_macos_or_newer"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.mps.is_available()
        False
    """
    return False


def is_built() -> bool:
    """No."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """No."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """No."""
    return False
