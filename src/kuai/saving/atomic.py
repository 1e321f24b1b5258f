"""Writing a file so that at any moment either the old or the new one is there, whole."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

__all__ = ["replacing", "write_atomically"]


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that takes its name when the block ends without an error.

    The content reaches the disk before the name does, so a crash leaves the old file. Whoever is
    reading the old file goes on reading it.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> with replacing(f"{folder}/notes.txt") as file:
        ...     _ = file.write(b"new")
        >>> os.listdir(folder)
        ['notes.txt']
    """
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Let a file have this content, whole or not at all."""
    with replacing(path) as file:
        file.write(content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: pathlib.Path) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
