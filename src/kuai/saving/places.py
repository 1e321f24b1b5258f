"""What stands where a file is to be written: nothing, a file, or something else.

A file is replaced; what is no file must not be. A device or a pipe gets the bytes as they are; so
does an open file by its number (`/dev/stdout`, `/dev/fd/3`), whose name somewhere else is not ours
to replace. A symbolic link is followed, so that it stays one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kuai.saving.opening import given_path

__all__ = ["Place", "naming", "place_of", "status_of"]

_OPEN_FILES = ("/proc/", "/dev/fd")


class Place(NamedTuple):
    """Where a file is to be written.

    Args:
        path: as the user gave it, for messages.
        target: the same without symbolic links.
        status: of the file that is there; None if nothing is there.
        is_stream: a device, a pipe, or an open file: it is written to, and not replaced.
    """

    path: str
    target: str
    status: os.stat_result | None
    is_stream: bool = False

    @property
    def folder(self) -> str:
        """The folder in which the file is to stand."""
        return os.path.dirname(self.target)


def place_of(path: str | os.PathLike) -> Place:
    """What stands at a path; an error that names it if no file can be written there."""
    path = os.fsdecode(path)
    given_path(path)
    status = status_of(path)
    if path.endswith(os.sep) or (status and stat.S_ISDIR(status.st_mode)):
        raise _error(errno.EISDIR, path)
    if status and stat.S_ISBLK(status.st_mode):
        raise OSError(errno.ENOTSUP, "a block device, of which all content would be lost", path)
    if status and (not stat.S_ISREG(status.st_mode) or _is_open_file(path)):
        return Place(path, path, status, is_stream=True)
    if status and not os.access(path, os.W_OK):
        raise _error(errno.EACCES, path)
    return Place(path, os.path.realpath(path), status)


def status_of(path: str | os.PathLike) -> os.stat_result | None:
    """What the system knows of a file; None if there is none."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_open_file(path: str) -> bool:
    folder = os.path.realpath(os.path.dirname(path))
    while not folder.startswith(_OPEN_FILES):
        if not os.path.islink(path):
            return False
        path = os.path.join(folder, os.readlink(path))
        folder = os.path.realpath(os.path.dirname(path))
    return True


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Let an error of the system name this path, not one that the user has never heard of."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error
