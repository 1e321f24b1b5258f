"""Drafts: files that are written without a name, or under a temporary one, and then get theirs.

Where the system has files without names (Linux, on most file systems), a draft is one: if its
process dies, nothing is left. Elsewhere it stands beside its place as `.kuai-….tmp`. It has such a
name for a moment also where it takes the place of another file, because a link cannot replace one.

A draft is locked as long as it is open. So whoever finds a temporary file knows whether its
writer lives, and removes what a dead one left. Its name is made from the name of the file that it
is to become: the next save of that file finds it without searching, and a long name stays possible.

Names are chosen before the files are made, and given back by `discard`, so that an interrupt at any
moment (KeyboardInterrupt) leaves none of them.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import itertools
import os
import pathlib
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from kuai.saving.locks import is_at, try_lock
from kuai.saving.places import Place, naming, status_of

__all__ = ["Draft", "digest_of", "remove_abandoned", "remove_all_abandoned"]

_TEMPORARY = re.compile(r"\.kuai-[0-9a-f]{20}-\d+\.tmp")
_LOOKED_AT = 4  # temporary names of a file: as many writers at once have been killed at most
_OPEN_FILES = "/proc/self/fd"
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)
_IS_WINDOWS = os.name == "nt"  # which neither renames nor removes an open file


class Draft:
    """What is going to be the file at a place, or nothing.

    Args:
        place: where.
        exclusive: there must be nothing yet; a FileExistsError if something comes in between.
        like: a file whose mode and owner it gets if it replaces none.
    """

    def __init__(
        self, place: Place, exclusive: bool = False, like: str | os.PathLike | None = None
    ):
        self._place = place
        self._exclusive = exclusive
        self._rights = place.status or (status_of(like) if like else None)
        self._raw: _File | None = None
        self._name: str | None = None  # the temporary one, which it has or is about to get
        self._is_unnamed = False

    def open(self) -> BinaryIO:
        """The file to be written."""
        for name in itertools.islice(_names(self._place.target), _LOOKED_AT):
            remove_abandoned(name)
        # who may not read what is there may not read what is coming, either
        mode = 0o666 if self._rights is None else 0o600
        if not self._open_unnamed(mode):
            self._open_named(mode)
        return io.BufferedWriter(self._opened)

    @property
    def _opened(self) -> _File:
        assert self._raw is not None
        return self._raw

    def _open_unnamed(self, mode: int) -> bool:
        flag = getattr(os, "O_TMPFILE", None)
        if flag is None or not os.path.isdir(_OPEN_FILES):
            return False
        try:
            descriptor = os.open(self._place.folder, flag | os.O_RDWR, mode)
        except OSError as error:
            if error.errno in _NO_UNNAMED:
                return False
            raise
        self._raw = _File(descriptor, "r+b", self._place.path)
        try_lock(descriptor, otherwise=True)
        self._is_unnamed = True
        return True

    def _open_named(self, mode: int) -> None:
        self._is_unnamed = False
        opener = functools.partial(os.open, mode=mode)
        for name in _names(self._place.target):
            with suppress(FileExistsError):
                self._name = name
                self._raw = _File(name, "xb", self._place.path, opener)
                # who tidies up may have come between the two
                if try_lock(self._raw.fileno(), otherwise=True) and is_at(self._raw, name):
                    return
                self._raw.close()
                self._raw = None

    # The end ----------------------------------------------------------------------------------

    def publish(self) -> None:
        """Give the file, which has been flushed, its name."""
        _copy_rights(self._rights, self._opened.fileno())
        os.fsync(self._opened.fileno())
        if self._place.status is None and self._take_free_name():
            return
        if self._is_unnamed:
            self._take_temporary_name()
        if _IS_WINDOWS:
            self._opened.close()
        os.replace(self._name or "", self._place.target)

    def _take_free_name(self) -> bool:
        """Take the name if nothing has it. A name that is not free is replaced, but not by this."""
        try:
            self._link(self._place.target)
        except FileExistsError:
            if self._exclusive:
                raise
            return False
        except OSError:
            # no links here: with a temporary name there is another way, at the price of a moment
            if self._exclusive and os.path.lexists(self._place.target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            return False
        if not self._is_unnamed:
            os.unlink(self._name or "")
        return True

    def _take_temporary_name(self) -> None:
        for name in _names(self._place.target):
            self._name = name
            try:
                return self._link(name)
            except FileExistsError:
                continue
            except OSError:
                return self._copy()

    def _link(self, name: str) -> None:
        if not self._is_unnamed:
            return os.link(self._name or "", name)
        source = f"{_OPEN_FILES}/{self._opened.fileno()}"
        # with a folder given, Python asks the system to follow the link in /proc
        folder = os.open(self._place.folder, os.O_RDONLY)
        try:
            os.link(source, name, src_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)

    def _copy(self) -> None:
        """Where a file without a name cannot get one after all, a named one gets its content."""
        unnamed, self._raw = self._opened, None
        with unnamed:
            self._open_named(0o600)
            unnamed.seek(0)
            shutil.copyfileobj(unnamed, self._opened)
            os.fchmod(self._opened.fileno(), stat.S_IMODE(os.fstat(unnamed.fileno()).st_mode))
        _copy_rights(self._rights, self._opened.fileno())
        os.fsync(self._opened.fileno())

    def discard(self) -> None:
        """Close the file; if it has not got its name, leave nothing of it."""
        if self._raw is None:
            if self._name is not None:
                remove_abandoned(self._name)
            return
        ours = self._name is not None and not self._raw.closed and is_at(self._raw, self._name)
        if _IS_WINDOWS:
            self._raw.close()
        if ours:
            os.unlink(self._name or "")
        self._raw.close()


class _File(io.FileIO):
    """A file whose errors name the path that the user gave."""

    def __init__(self, file: str | int, mode: str, shown: str, opener=None):
        self._shown = shown
        super().__init__(file, mode, opener=opener)

    def write(self, content) -> int:
        with naming(self._shown):
            return super().write(content)


def _copy_rights(status: os.stat_result | None, descriptor: int) -> None:
    """Give a file mode and owner of the one that it replaces, as far as the system lets us."""
    if status is None or _IS_WINDOWS:
        return
    own = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if own.st_gid != status.st_gid and not _give(descriptor, -1, status.st_gid):
        mode &= 0o707  # the group would be another one
    if own.st_uid != status.st_uid:
        _give(descriptor, status.st_uid, -1)
    os.fchmod(descriptor, mode)


def _give(descriptor: int, user: int, group: int) -> bool:
    try:
        os.fchown(descriptor, user, group)
    except PermissionError:
        return False
    return True


# Temporary names ----------------------------------------------------------------------------------


def digest_of(name: str) -> str:
    """A short name for a file's name."""
    return hashlib.blake2b(os.fsencode(name), digest_size=10).hexdigest()


def _names(target: str) -> Iterator[str]:
    folder, name = os.path.split(target)
    for number in itertools.count():
        yield os.path.join(folder, f".kuai-{digest_of(name)}-{number}.tmp")


def remove_abandoned(path: str | os.PathLike) -> None:
    """Remove a temporary file, unless its writer lives."""
    try:
        file = open(path, "r+b", buffering=0, opener=_open_plainly)
    except OSError:
        return  # not there; or not ours, or no file
    with file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            dead = try_lock(file.fileno(), otherwise=False)
            if dead and is_at(file, path):
                os.unlink(path)


def _open_plainly(path: str, flags: int) -> int:
    more = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags | more)


def remove_all_abandoned(folder: str | os.PathLike) -> None:
    """Remove all temporary files in a folder whose writers are gone."""
    for path in list(pathlib.Path(folder).iterdir()):
        if _TEMPORARY.fullmatch(path.name):
            remove_abandoned(path)
