"""Writing a file so that at any moment either the old or the new one is there, whole."""

from __future__ import annotations

import os
import pathlib
import tempfile

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, then give it that name.

    The content reaches the disk before the name does, so a crash leaves the old file.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> write_atomically(f"{folder}/notes.txt", b"new")
        >>> os.listdir(folder)
        ['notes.txt']
    """
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(path.parent)


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
