"""Locks on files, which the system takes back when the process that holds them ends.

A lock belongs to an open file, not to its name, and it says who is alive: what is locked is being
written, what can be locked was left by a process that is gone. Not every file system has locks
(some network drives), nor has Windows this kind of them.
"""

from __future__ import annotations

import errno
import os
import pathlib
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["is_at", "lock_file", "remove_locked", "try_lock", "wait_for_lock"]

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


def try_lock(descriptor: int, otherwise: bool) -> bool:
    """Whether an open file is now locked by us; False if someone else has locked it.

    Args:
        otherwise: the answer where there are no locks.
    """
    if fcntl is None:
        return otherwise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return otherwise
        raise
    return True


def wait_for_lock(descriptor: int) -> bool:
    """Lock an open file as soon as nobody else has it locked; False where there are no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def lock_file(path: str | os.PathLike) -> BinaryIO | None:
    """Open a file, which is made if it is not there, and lock it; None if someone else has it.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/lock"
        >>> with lock_file(path) as file:
        ...     print(lock_file(path))
        None
    """
    while True:
        file = open(path, "a+b")
        if not try_lock(file.fileno(), otherwise=True):
            file.close()
            return None
        if is_at(file, path):
            return file
        file.close()  # who held it has removed it meanwhile: lock the one that is there now


def remove_locked(file: BinaryIO, path: str | os.PathLike) -> None:
    """Remove a file that we have locked, and close it."""
    if os.name == "nt":  # where an open file cannot be removed
        file.close()
    pathlib.Path(path).unlink(missing_ok=True)
    file.close()


def is_at(file: BinaryIO, path: str | os.PathLike) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False
