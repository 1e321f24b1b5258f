"""`kuai.backends.miopen`: switches for AMD's GPUs; XLA chooses kernels itself."""

import contextlib

__all__ = ["flags", "immediate", "set_flags"]

immediate = False


def set_flags(_immediate: bool) -> tuple[bool]:
    """Note the choice; what it was before.

    Example:
        >>> kuai.backends.miopen.set_flags(False)
        (False,)
    """
    global immediate
    before, immediate = immediate, _immediate
    return (before,)


@contextlib.contextmanager
def flags(immediate: bool = False):
    """A context with another choice."""
    (before,) = set_flags(immediate)
    try:
        yield
    finally:
        set_flags(before)
