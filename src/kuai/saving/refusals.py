"""What the readers raise inside; the face that knows the file's name turns it into Kuai's error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kuai.errors import BrokenFileError, UnsafeFileError, printable

__all__ = ["Damaged", "Refused", "exactly", "explained", "unique"]

_LONGEST = 1500  # characters of a reason


class _Found(Exception):
    """What a reader has found; it may quote the file."""

    def __init__(self, reason: Any):
        super().__init__(printable(reason, _LONGEST))


class Damaged(_Found):
    """The bytes do not fit together."""


class Refused(_Found):
    """The file asks for something that Kuai does not do."""


@contextmanager
def explained(file: str, kind: str) -> Iterator[None]:
    """Turn what a reader raised into an error that names the file."""
    try:
        yield
    except Damaged as error:
        raise BrokenFileError(f"{file} is not a complete {kind} ({error})") from error
    except Refused as error:
        raise UnsafeFileError(f"{file} was not loaded: {error}") from error


def exactly(value: Any, kind: type, what: str) -> Any:
    """The value, if it is of this very type and not of a subclass."""
    if type(value) is not kind:
        raise Refused(f"{what} has to be of type {kind.__name__}, not {type(value).__name__}")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are all different; a ValueError if they are not."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
