"""`kuai.backends.cusparselt`: cuSPARSELt: Kuai does not use it."""

__all__ = ["get_max_alg_id", "is_available", "version"]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.backends.cusparselt.is_available()
        False
    """
    return False


def version() -> int | None:
    """None: there is none."""
    return None


def get_max_alg_id() -> int | None:
    """None: there are no algorithms to choose from."""
    return None
