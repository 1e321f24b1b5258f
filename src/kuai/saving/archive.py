"""The container of PyTorch's files: a zip archive whose entries are stored, not compressed.

All entries lie under one folder: `data.pkl` (the objects), `data/0`, `data/1`, … (the bytes of the
storages), `byteorder`, `version`. Reading trusts nothing: the sizes that the archive declares have
to fit into the file, so no entry can be larger than the file itself, and every checksum is checked.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from kuai.saving.content import Content
from kuai.saving.refusals import Damaged, Refused

__all__ = ["Archive", "write_archive", "zip_into"]

_ROOT = "archive"
_ALIGNMENT = 64
_ZIP64_FIELD = 20  # bytes that `zipfile` adds to the header of a large entry
_LOCAL_HEADER = struct.Struct("<26xHH")  # before an entry: the lengths of its name and extra field
_BROKEN = (
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,  # `zipfile` for an encrypted entry
    ValueError,
)


class Archive:
    """The entries of an archive, by their names below its folder.

    Args:
        mapped: let `array` give parts of the file itself, whose checksums are not checked.
    """

    def __init__(self, file: BinaryIO, mapped: bool = False):
        self._file = file
        self._length = file.seek(0, os.SEEK_END)
        self._content = Content(file, mapped)
        with _readable():
            self._zip = zipfile.ZipFile(file)
        entries = self._zip.infolist()
        self._check_names([entry.filename for entry in entries])
        self._check_sizes(entries)
        root = _root_of(self._zip.namelist())
        self._entries = {entry.filename.removeprefix(f"{root}/"): entry for entry in entries}

    @property
    def names(self) -> list[str]:
        """The names of the entries."""
        return list(self._entries)

    def size(self, name: str) -> int:
        """The number of bytes of an entry."""
        if name not in self._entries:
            raise Damaged(f"there is no entry {name!r} in it")
        return self._entries[name].file_size

    def read(self, name: str) -> bytes:
        """The bytes of an entry, their checksum checked."""
        size = self.size(name)
        with _readable(), self._zip.open(self._entries[name]) as entry:
            content = entry.read()
        if len(content) != size:
            raise Damaged(f"entry {name!r} is cut off")
        return content

    def array(self, name: str) -> np.ndarray:
        """The same as an array, in memory that JAX can use as it is."""
        start, size = self.place(name)
        return self._content.array(start, size, self.checksum(name))

    def checksum(self, name: str) -> int:
        """The checksum of an entry (CRC-32), as the archive has it."""
        self.size(name)
        return self._entries[name].CRC

    def place(self, name: str) -> tuple[int, int]:
        """Where the bytes of an entry begin in the file, and how many they are."""
        size = self.size(name)
        entry = self._entries[name]
        with _readable():
            self._zip.open(entry).close()  # compares the entry's own header with the directory
            self._file.seek(entry.header_offset)
            lengths = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
        return entry.header_offset + _LOCAL_HEADER.size + sum(lengths), size

    @staticmethod
    def _check_names(names: list[str]) -> None:
        if len(set(names)) != len(names):
            raise Refused("two entries of the archive have the same name")
        for name in names:
            parts = re.split(r"[/\\]", name)
            if ".." in parts or "" in parts or "\\" in name or ":" in name or "\0" in name:
                raise Refused(f"the archive has an entry with the name {name!r}")
            if re.fullmatch(r"[^/]+/constants\.pkl", name):
                raise Refused("it is a TorchScript program, not tensors")

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED:
                raise Refused(
                    f"entry {entry.filename!r} is compressed; PyTorch stores entries as they are"
                )
            if entry.compress_size != entry.file_size or entry.flag_bits & 1:
                raise Damaged(f"the sizes of entry {entry.filename!r} contradict each other")
            if not 0 <= entry.header_offset < self._length:
                raise Damaged(f"entry {entry.filename!r} begins outside of the file")
        if sum(entry.file_size for entry in entries) > self._length:
            raise Damaged("its entries are declared larger than the file")


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise Damaged(str(error) or type(error).__name__) from error


def _root_of(names: list[str]) -> str:
    found = [name for name in names if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(found) != 1:
        raise Damaged(f"it has no data.pkl; {_kind_of_zip(names)}")
    root = found[0].removesuffix("/data.pkl")
    if any(not name.startswith(f"{root}/") for name in names):
        raise Refused("the archive has entries outside of its folder")
    return root


def _kind_of_zip(names: list[str]) -> str:
    if names and all(name.endswith(".npy") for name in names):
        return "it is a NumPy archive (.npz). Use numpy.load(path), and kuai.from_numpy"
    if {"manifest.json", "program.jax"} <= set(names):
        return "it is a program of kuai.export. Use kuai.load_exported"
    if any(name.endswith((".pt", ".pth", ".bin", ".safetensors")) for name in names):
        return "it is a zip file with files of tensors in it. Unpack it first: unzip"
    return "another kind of zip file?"


def write_archive(file: BinaryIO, entries: Iterable[tuple[str, bytes | memoryview]]) -> None:
    """Write entries to a file; the same entries always give the same bytes.

    Each begins at a multiple of 64 bytes, so that a reader can map it into memory.
    """
    with zip_into(file) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo(f"{_ROOT}/{name}")  # dated 1980, as all of PyTorch's
            entry.create_system = 0
            entry.file_size = len(content)
            entry.extra = _padding(file.tell(), entry)
            with archive.open(entry, "w") as stream:
                stream.write(content)
            entry.extra = b""  # the padding belongs to the entry, not to the directory


@contextmanager
def zip_into(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """An archive to be written to a file, which gets its directory at the end of the block.

    After an error it gets none: writing it could fail again, and hide what was wrong.
    """
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
    try:
        yield archive
        archive.close()
    finally:
        archive.fp = None  # so that it does nothing when it is thrown away


def _padding(position: int, entry: zipfile.ZipInfo) -> bytes:
    """An extra field of a header that lets the content begin at a multiple of the alignment."""
    header = _LOCAL_HEADER.size + len(entry.filename.encode()) + 4
    if entry.file_size * 1.05 > zipfile.ZIP64_LIMIT:
        header += _ZIP64_FIELD
    missing = -(position + header) % _ALIGNMENT
    return struct.pack("<2sH", b"FB", missing) + b"Z" * missing
