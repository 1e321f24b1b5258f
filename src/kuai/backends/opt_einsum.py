"""`kuai.backends.opt_einsum`: how `einsum` chooses the order of its products; JAX uses it, too."""

__all__ = ["enabled", "is_available", "strategy"]

enabled = True
strategy = "auto"


def is_available() -> bool:
    """Yes: JAX brings it.

    Example:
        >>> kuai.backends.opt_einsum.is_available()
        True
    """
    return True


def get_opt_einsum():
    """None: JAX calls it, nobody else has to."""
    return None
