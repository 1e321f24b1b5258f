"""Warnings that come once in a process, however often their reason does.

That is how PyTorch gives most of those that its C++ code has to give. `kuai.set_warn_always(True)`
has them come each time.
"""

import warnings

import numpy as np

__all__ = ["is_always", "set_always", "warn_of_imaginary_parts", "warn_once"]

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


def warn_of_imaginary_parts(source: np.dtype, target: np.dtype, stacklevel: int = 1) -> None:
    """Warn where complex numbers become real ones; whether one is 0 is asked of both of its parts.

    Example:
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warnings.simplefilter("always")
        ...     warn_of_imaginary_parts(np.dtype("complex64"), np.dtype("bool"))
        >>> seen
        []
    """
    if source.kind == "c" and target.kind not in "cb":
        warn_once(
            "Casting complex values to real discards the imaginary part", stacklevel=stacklevel + 1
        )


def set_always(always: bool) -> None:
    """Have them come each time, or once."""
    global _always
    _always = always


def is_always() -> bool:
    """Whether they come each time."""
    return _always
