"""`kuai.serialization`: files of tensors; nothing in a file is ever run."""

import contextlib
import os
from collections.abc import Callable
from typing import IO, Any, TypeAlias

from kuai.engine.tensor.devices import device
from kuai.saving import load, own_classes, save

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


def add_safe_globals(safe_globals: list) -> None:
    """Have `load` make objects of these classes, whoever wrote the file, and call these functions.

    Args:
        safe_globals: callables, or pairs of one and the name that it goes by in files.
    """
    own_classes.safe_globals.extend(safe_globals)


def get_safe_globals() -> list:
    """The classes and functions that `load` may use."""
    return list(own_classes.safe_globals)


def clear_safe_globals() -> None:
    """Forget them."""
    own_classes.safe_globals.clear()


class safe_globals:
    """A context in which `load` may use some classes and functions: see `add_safe_globals`."""

    def __init__(self, safe_globals: list) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._before = list(own_classes.safe_globals)
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: Any) -> None:
        own_classes.safe_globals[:] = self._before


class skip_data(contextlib.nullcontext):
    """A context that changes nothing."""


def get_default_load_endianness() -> None:
    """The byte order of files: what they say."""


def get_default_mmap_options() -> int:
    """How files are mapped: privately."""
    return 2


def set_default_mmap_options(flags: int) -> None:
    """Does nothing: see `get_default_mmap_options`."""
