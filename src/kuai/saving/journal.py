"""The journal of a save that writes several files: what is to go if it succeeds, and if it fails.

A checkpoint of several files changes at one moment: when its index is replaced or, where one file
takes the place of several, when that file is there. Before it, the new files belong to nothing,
after it the old ones. The journal names both while the save lasts, so that whoever comes next can
remove what a killed save has left. Nothing is removed by how its name looks, nothing that any index
in the folder names, and nothing that has changed meanwhile.

The journal is locked while its save lives; so there is one save of a checkpoint at a time.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from kuai.errors import FileFormatError
from kuai.saving.drafts import digest_of
from kuai.saving.indexes import named_files, plain_name, read_index
from kuai.saving.locks import is_at, remove_locked, wait_for_lock
from kuai.saving.opening import opened
from kuai.saving.places import naming
from kuai.saving.safetensors_format import read_header

__all__ = ["JOURNAL", "Journal", "has_journal", "journal_of"]

JOURNAL = ".journal"
_INDEX_ENDING, _FILE_ENDING = ".index.json", ".safetensors"


def _path(index: pathlib.Path) -> pathlib.Path:
    return index.with_name(f".kuai-{digest_of(index.name)}{JOURNAL}")


def has_journal(index: pathlib.Path) -> bool:
    """Whether the checkpoint of an index is being replaced, or has been when a save was killed."""
    return _path(index).exists()


@contextmanager
def journal_of(index: pathlib.Path) -> Iterator[Journal]:
    """The journal for one save, after tidying up after the last one; it tidies up at the end."""
    with naming(str(index)):
        file, is_ours = _open_locked(_path(index))
    with file:
        journal = Journal(index, file)
        if is_ours:
            journal.settle()
        try:
            yield journal
        finally:
            journal.settle()
            remove_locked(file, _path(index))


def _open_locked(path: pathlib.Path) -> tuple[BinaryIO, bool]:
    while True:
        file = open(path, "a+b")
        is_ours = wait_for_lock(file.fileno())
        if is_at(file, path):
            return file, is_ours
        file.close()  # whoever had it has removed it


class Journal:
    """What a save adds to the files of an index and takes away from them."""

    def __init__(self, index: pathlib.Path, file: BinaryIO):
        self.index = index
        self._file = file

    def begin_several(self, save: str, made: list[str], single: pathlib.Path | None) -> None:
        """Several files of these names are going to be made, and the index replaced.

        Args:
            single: a file that the index takes the place of.
        """
        replaced = [*self._named_before(), *([single.name] if single else [])]
        self._write(self.index.name, replaced, {"save": save, "made": made})

    def begin_single(self, single: pathlib.Path) -> None:
        """A single file is going to be written, and the index to go."""
        replaced = {self.index.name, *self._named_before()} - {single.name}
        self._write(single.name, list(replaced), {})

    def _named_before(self) -> list[str]:
        try:
            return sorted(set(read_index(self.index, _FILE_ENDING).weights.values()))
        except (FileFormatError, OSError):
            return []  # none, or none that names anything

    def _write(self, changing: str, replaced: list[str], more: dict[str, Any]) -> None:
        stamps = {name: stamp for name in replaced if (stamp := self._stamp(name)) is not None}
        before = self._stamp(changing, os.stat)  # through a link, as it is written
        record = {"changing": [changing, before], "replaced": stamps, **more}
        self._file.truncate(0)
        self._file.write(json.dumps(record).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _stamp(self, name: str, look: Callable = os.lstat) -> list[int] | None:
        try:
            status = look(self.index.with_name(name))
        except FileNotFoundError:
            return None
        return [status.st_ino, status.st_size, status.st_mtime_ns]

    # Tidying up -------------------------------------------------------------------------------

    def settle(self) -> None:
        """Remove what belongs to nothing any more, or not yet, by what is there now."""
        record = self._read()
        if record is None:
            return
        name, before = record["changing"]
        if self._stamp(name, os.stat) in (None, before):
            made = [n for n in record.get("made", []) if self._save_of(n) == record["save"]]
            self._remove_unused(made)
        else:
            gone = [n for n, stamp in record["replaced"].items() if self._stamp(n) == stamp]
            if self.index.name in gone:  # as long as it is there it names the others
                self.index.unlink()
                gone.remove(self.index.name)
            self._remove_unused(gone)
        self._file.truncate(0)

    def _remove_unused(self, names: list[str]) -> None:
        used = named_files(self.index.parent, _INDEX_ENDING)
        if used is not None:
            for name in set(names) - used:
                self.index.with_name(name).unlink()

    def _save_of(self, name: str) -> str | None:
        """The save to which a file belongs; None if there is no such file, or no whole one."""
        path = self.index.with_name(name)
        try:
            with opened(path) as file:
                return read_header(file, path).save
        except (FileFormatError, OSError):
            return None

    def _read(self) -> dict[str, Any] | None:
        """What was written; None if nothing was, or not all: then no file has been touched yet."""
        self._file.seek(0)
        try:
            found = json.loads(self._file.read())
        except (ValueError, RecursionError):
            return None
        return found if _is_record(found) else None


def _is_record(found: Any) -> bool:
    """Whether a record says what it should, and names files beside it only."""
    if not isinstance(found, dict) or not isinstance(found.get("replaced"), dict):
        return False
    made, changing = found.get("made", []), found.get("changing")
    if not isinstance(made, list) or not isinstance(changing, list) or len(changing) != 2:
        return False
    names = [*made, *found["replaced"], changing[0]]
    endings = (_FILE_ENDING, _INDEX_ENDING)
    return isinstance(found.get("save", ""), str) and all(
        isinstance(name, str) and plain_name(name) and name.endswith(endings) for name in names
    )
