"""`kuai.serialization`: files of tensors; nothing in a file is ever run."""

import contextlib
import os
from collections.abc import Callable
from typing import IO, Any, TypeAlias

from kuai.engine.tensor.devices import device
from kuai.saving import load, save

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_default_load_endianness",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]

DEFAULT_PROTOCOL = 2
#: What `load` takes as `map_location`, and as a file; for annotations.
MAP_LOCATION: TypeAlias = Callable[[Any, str], Any] | device | str | dict[str, str] | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
_noted: list[Any] = []


def add_safe_globals(safe_globals: list) -> None:
    """Note classes; which ones a file may hold, Kuai decides: see docs/differences.md."""
    _noted.extend(safe_globals)


def get_safe_globals() -> list:
    """The classes that were noted."""
    return list(_noted)


def clear_safe_globals() -> None:
    """Forget them."""
    _noted.clear()


class safe_globals(contextlib.nullcontext):
    """A context that changes nothing: nothing in a file is run in any case."""


class skip_data(contextlib.nullcontext):
    """A context that changes nothing."""


def get_default_load_endianness() -> None:
    """The byte order of files: what they say."""


def get_default_mmap_options() -> int:
    """How files are mapped: privately."""
    return 2


def set_default_mmap_options(flags: int) -> None:
    """Does nothing: see `get_default_mmap_options`."""
