"""PyTorch's file format, written and read without PyTorch.

The file is a zip archive (see `archive`; `old_archive` for what it was before) of one pickle, which
describes the objects, and of the bytes of the storages that its tensors lie on. Writing: `pickling`
and `described`. Reading: `interpreter` runs the pickle with the `names` it may use, `storages`
makes the tensors, `trees` checks the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from kuai.errors import EmptyFileError, FileFormatError, NoTorchFileError
from kuai.saving.archive import Archive, write_archive
from kuai.saving.described import Description, OldDescription
from kuai.saving.interpreter import interpret
from kuai.saving.kinds import LOOKED_AT, ZIP, is_old_torch_file, kind_of
from kuai.saving.names import Tensors, known_names
from kuai.saving.old_archive import OldArchive, OldStorages, write_old_archive
from kuai.saving.own_classes import ProgramNames, check_objects
from kuai.saving.pickling import pickled
from kuai.saving.refusals import Refused, explained
from kuai.saving.storages import Storages
from kuai.saving.trees import check_tree

__all__ = ["open_archive", "read_torch_file", "storages_of", "write_described", "write_torch_file"]


def write_torch_file(obj: Any, file: BinaryIO, old: bool = False) -> None:
    """Write an object; nothing is written if it cannot be saved.

    Args:
        old: in the format of PyTorch before 1.6.
    """
    if old:
        description = OldDescription()
        write_old_archive(file, pickled(obj, description), description.counted_contents())
    else:
        write_described(obj, file, Description())


def write_described(obj: Any, file: BinaryIO, description: Description) -> None:
    """Write an object whose tensors are described in a way of their own."""
    code = pickled(obj, description)
    write_archive(file, _entries(code, description))


def _entries(code: bytes, description: Description) -> Iterator[tuple[str, bytes | memoryview]]:
    yield "data.pkl", code
    yield ".format_version", b"1"
    yield ".storage_alignment", b"64"
    yield "byteorder", b"little"
    for key, content in description.contents():
        yield f"data/{key}", content
    yield "version", b"3\n"


def read_torch_file(
    file: BinaryIO,
    name: str,
    map_location: Any = None,
    mapped: bool = False,
    trusted: bool = False,
    encoding: str = "utf-8",
) -> Any:
    """Read what `write_torch_file` or `torch.save` wrote.

    Args:
        name: for the messages.
        trusted: objects of the program's classes may be made.
        encoding: of the strings that Python 2 wrote; "bytes" leaves them as they are.
    """
    with explained(name, "PyTorch file"):
        archive = open_archive(file, name, mapped)
        storages = storages_of(archive, map_location)
        names = ProgramNames(known_names(Tensors(storages)), trusted)
        obj = interpret(archive.read("data.pkl"), names, storages.find, encoding)
        if names.used:
            check_objects(obj, names)
        else:
            check_tree(obj)
    return obj


def open_archive(file: BinaryIO, name: str, mapped: bool = False) -> Archive | OldArchive:
    """The archive in a file, if it is one of tensors."""
    if _is_old(file, name):
        if mapped:
            raise FileFormatError(
                f"{name} is in the format of PyTorch before 1.6, in which values lie at any place: "
                "mmap can only be used with files saved with "
                "torch.save(_use_new_zipfile_serialization=True)"
            )
        return OldArchive(file)
    archive = Archive(file, mapped)
    if "byteorder" in archive.names and archive.read("byteorder") != b"little":
        raise Refused("it was written on a big-endian machine")
    return archive


def storages_of(archive: Archive | OldArchive, map_location: Any = None) -> Storages:
    """The storages in an archive of either kind."""
    kind = OldStorages if isinstance(archive, OldArchive) else Storages
    return kind(archive, map_location)


def _is_old(file: BinaryIO, name: str) -> bool:
    """Whether it is in the format before 1.6; refused if it is of another kind altogether."""
    file.seek(0)
    start = file.read(LOOKED_AT)
    file.seek(0)
    if is_old_torch_file(start):
        return True
    if not start.startswith(ZIP):
        kind = kind_of(start) or "it begins with other bytes than a zip archive"
        error = NoTorchFileError if start else EmptyFileError
        raise error(f"{name} is not a PyTorch file: {kind}")
    return False
