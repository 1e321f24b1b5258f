"""Warnings that come once in a process, however often their reason does.

That is how PyTorch gives most of those that its C++ code has to give. `kuai.set_warn_always(True)`
has them come each time.
"""

import warnings

__all__ = ["is_always", "set_always", "warn_once"]

_given: set[str] = set()
_always = False


def warn_once(text: str, stacklevel: int = 1, place: str | None = None) -> None:
    """Warn, unless that has been done before.

    Args:
        text: what it says.
        stacklevel: as in `warnings.warn`, seen from the caller.
        place: what stands for the warning, where its text has parts that differ.

    Example:
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warnings.simplefilter("always")
        ...     for _ in range(3):
        ...         warn_once("this is slow")
        >>> len(seen)
        1
    """
    place = text if place is None else place
    if not _always:
        if place in _given:
            return
        _given.add(place)
    warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)


def set_always(always: bool) -> None:
    """Have them come each time, or once."""
    global _always
    _always = always


def is_always() -> bool:
    """Whether they come each time."""
    return _always
