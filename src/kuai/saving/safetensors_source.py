"""Where the tensors of a safetensors checkpoint stand: in one file, or in several with an index.

Hubs publish large models as `model-00001-of-00003.safetensors`, … and an index file,
`model.safetensors.index.json` (see `indexes`). Its `total_size` is not used: published ones are
often wrong.

Someone may replace the checkpoint while it is being read. Each file is therefore opened once, and
everything is read through that handle; of several files, the index says to which save they belong.
What does not fit together is looked at again if it has been replaced meanwhile, and otherwise is
an error.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from kuai.errors import BrokenFileError, FileFormatError
from kuai.saving.content import Content
from kuai.saving.indexes import Index, check_names, read_index
from kuai.saving.journal import JOURNAL, has_journal
from kuai.saving.opening import given_path, opened
from kuai.saving.refusals import unique
from kuai.saving.safetensors_format import SAVE, Entry, Header, broken, read_header

__all__ = ["ALIASES", "INDEX", "SUFFIX", "Part", "Source", "is_index", "open_source"]

SUFFIX = ".safetensors"
INDEX = ".safetensors.index.json"
ALIASES = "kuai.aliases"  # in the metadata: {other name: first name} of tied tensors, as JSON
_OURS = (SUFFIX, INDEX, JOURNAL)
_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.safetensors")
_TRIES = 100
_OPEN = 200  # files that are held open at the same time


class Part:
    """One of the files, open. Its header and its content are those of the same file, whatever is
    done to the name."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self._file = opened(path)  # PermissionError and the like, with the name
        try:
            self._stamp = _stamp(os.fstat(self._file.fileno()))
            self.header: Header = read_header(self._file, path)
        except BaseException:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """The number of bytes of the file."""
        return self._stamp[1]

    def content(self, mapped: bool = False) -> Content:
        """Its bytes."""
        if self._file.closed:
            self._file = opened(self.path)
            self.check_unchanged()
        return Content(self._file, mapped)

    def check_unchanged(self) -> None:
        """An error if someone has written into the file since it was opened."""
        if _stamp(os.fstat(self._file.fileno())) != self._stamp:
            raise broken(self.path, "it was changed while it was being read")

    def close(self) -> None:
        """Give the handle back; `content` takes a new one, if the file is still the same."""
        self._file.close()


class Source:
    """The tensors of a checkpoint, to be closed.

    Attributes:
        parts: its files.
        entries: for each name the file and the place in it.
        aliases: for each further name of a tied tensor the first one.
        metadata: the user's strings.
    """

    def __init__(self, parts: list[Part], aliases: Mapping[str, str], metadata: Mapping[str, str]):
        self.parts = parts
        self.entries: dict[str, tuple[Part, Entry]] = {
            name: (part, entry) for part in parts for name, entry in part.header.entries.items()
        }
        self.aliases = dict(aliases)
        self.metadata = dict(metadata)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close its files."""
        for part in self.parts:
            part.close()


def is_index(path: str | os.PathLike) -> bool:
    """Whether a path names the index of several files."""
    return os.fspath(path).endswith(INDEX)


def open_source(path: str | os.PathLike) -> Source:
    """Open a file, the files of an index, or what a folder holds of these."""
    path = given_path(path)
    for _ in range(_TRIES - 1):
        before = _state(path)
        try:
            return _open(path)
        except (FileFormatError, FileNotFoundError):
            if _state(path) == before:
                raise
    return _open(path)


def _state(path: pathlib.Path) -> Any:
    """Something that is another after a checkpoint has been replaced."""
    if path.is_dir():
        names = [name for name in os.listdir(path) if name.endswith(_OURS)]
        return {name: _stamp_of(path / name) for name in names}
    return _stamp_of(path)


def _stamp_of(path: pathlib.Path) -> tuple[int, int, int] | None:
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _open(path: pathlib.Path) -> Source:
    path = _in_folder(path) if path.is_dir() else path
    with ExitStack() as files:
        source = _several(path, files) if is_index(path) else _single(path, files)
        files.pop_all()
    return source


def _part(path: pathlib.Path, files: ExitStack) -> Part:
    part = Part(path)
    files.callback(part.close)
    return part


def _single(path: pathlib.Path, files: ExitStack) -> Source:
    part = _part(path, files)
    metadata = dict(part.header.metadata)
    text = metadata.pop(ALIASES, "{}")
    return Source([part], _aliases(path, text, part.header.entries), metadata)


def _several(path: pathlib.Path, files: ExitStack) -> Source:
    index = read_index(path, SUFFIX)
    parts = []
    for file in index.files:
        parts.append(_part(file, files))
        if len(parts) > _OPEN:
            parts[-1].close()
    _check_save(index, parts)
    check_names(index, {part.path.name: part.header.entries for part in parts})
    aliases = _aliases(path, index.metadata.get(ALIASES, "{}"), index.weights)
    return Source(parts, aliases, parts[0].header.metadata if parts else {})


def _in_folder(folder: pathlib.Path) -> pathlib.Path:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    found = [name for name in names if name.endswith(INDEX)]
    # beside an index only while one takes the place of the other
    found += [name for name in names if _is_single(name) and not _is_changing(folder, name, found)]
    usual = [name for name in found if name in ("model" + INDEX, "model" + SUFFIX)]
    found = usual or found
    if len(found) == 1:
        return folder / found[0]
    if found:
        raise FileFormatError(f"{folder} has several checkpoints; name one: {', '.join(found)}")
    if any(_SHARD.fullmatch(name) for name in names):
        raise BrokenFileError(f"{folder} has parts of a checkpoint, but no file *{INDEX}")
    raise FileFormatError(f"{folder} has no safetensors file in it")


def _is_single(name: str) -> bool:
    return name.endswith(SUFFIX) and not _SHARD.fullmatch(name)


def _is_changing(folder: pathlib.Path, name: str, indexes: list[str]) -> bool:
    index = name.removesuffix(SUFFIX) + INDEX
    return index in indexes and has_journal(folder / index)


def _check_save(index: Index, parts: list[Part]) -> None:
    save = index.metadata.get(SAVE)
    for part in parts:
        if save is not None and part.header.save != save:
            raise BrokenFileError(
                f"{index.path} is not a complete checkpoint ({part.path.name} is of another save; "
                "take all the files from the same one)"
            )


def _aliases(path: pathlib.Path, text: Any, names: Mapping[str, Any]) -> dict[str, str]:
    try:
        aliases = json.loads(text, object_pairs_hook=unique)
    except (TypeError, ValueError, RecursionError) as error:
        raise broken(path, error) from error
    fits = isinstance(aliases, dict) and all(
        isinstance(name, str) and name in names and alias not in names
        for alias, name in aliases.items()
    )
    if not fits:
        raise BrokenFileError(f"{path} has an alias for a tensor that is not there")
    return aliases
