"""Opening what a user names: a file that can be read at any place, or a folder."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
from typing import BinaryIO

from kuai.errors import FileFormatError

__all__ = ["given_path", "opened"]

_UNSUITABLE = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def given_path(path: str | os.PathLike) -> pathlib.Path:
    """A path that somebody gave; `""` names nothing, as for `open`, and not the present folder."""
    if os.fspath(path) == "":
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "")
    return pathlib.Path(path)


def opened(path: str | os.PathLike) -> BinaryIO:
    """A file, opened for reading.

    Raises:
        FileFormatError: it is a pipe or the like, of which no part can be read twice; opening one
            would also wait for somebody who writes.
    """
    unsuitable = _UNSUITABLE.get(stat.S_IFMT(os.stat(given_path(path)).st_mode))
    if unsuitable:
        raise FileFormatError(
            f"{os.fspath(path)} is {unsuitable}, and tensors are read from any place of a file. "
            "Write what comes out of it to a file first, or read all of it into an io.BytesIO"
        )
    return open(path, "rb")
