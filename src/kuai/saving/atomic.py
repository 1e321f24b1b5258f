"""Writing a file so that at any moment either the old or the new one is there, whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from kuai.saving.drafts import Draft
from kuai.saving.places import Place, naming, place_of

__all__ = ["replacing", "write_atomically"]


@contextmanager
def replacing(
    path: str | os.PathLike, *, exclusive: bool = False, like: str | os.PathLike | None = None
) -> Iterator[BinaryIO]:
    """A file that takes the name `path` when the block ends without an error.

    The content reaches the disk before the name does, so a crash leaves the old file. Whoever is
    reading the old file goes on reading it. The new one has its mode and its owner. A symbolic link
    is written through; a device or a pipe gets the bytes as they are. Errors name `path`.

    Args:
        exclusive: an error if something of that name is there, or comes meanwhile.
        like: a file whose mode and owner a new one gets, if it is there.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with replacing(f"{folder}/notes.txt") as file:
        ...     _ = file.write(b"new")
        >>> os.listdir(folder)
        ['notes.txt']
    """
    place = place_of(path)
    if exclusive and place.status is not None:
        raise FileExistsError(f"{place.path} is there already")
    if place.is_stream:
        content = io.BytesIO()
        yield content
        _send(content, place)
        return
    draft = Draft(place, exclusive, like)
    try:
        with naming(place.path):
            file = draft.open()
        yield file
        with naming(place.path):
            file.flush()
            draft.publish()
            _sync_folder(place.folder)
    finally:
        draft.discard()


def write_atomically(
    path: str | os.PathLike, content: bytes, *, like: str | os.PathLike | None = None
) -> None:
    """Let a file have this content, whole or not at all; see `replacing`."""
    with replacing(path, like=like) as file:
        file.write(content)


def _send(content: io.BytesIO, place: Place) -> None:
    with naming(place.path), open(place.path, "wb") as stream:
        stream.write(content.getbuffer())


def _sync_folder(folder: str) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
