"""The safetensors format: a JSON header and the bytes of the tensors; it holds no code.

    8 bytes   the length of the header, little-endian
    header    {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets"}, …}
    bytes     the tensors, without gaps

See https://github.com/huggingface/safetensors, whose library judges here whether a file is whole.
Writing pads the header and puts tensors of 64, 128, … bytes first, so that each of them lies at
a multiple of 64 bytes and can be used without a copy; the header keeps the order of the names.

Two strings of the metadata are Kuai's own, and are not shown to the user:

    kuai.save       in each of several files the same, another one in those of another save
    kuai.checksums  {"header": CRC-32 of all the rest of the header, "tensors": {name: CRC-32}}
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import safetensors

from kuai.engine.tensor import dtypes
from kuai.errors import BrokenFileError
from kuai.saving.content import ALIGNMENT
from kuai.saving.kinds import LOOKED_AT, is_safetensors, is_torch_archive, kind_of
from kuai.saving.limits import MAX_DIMENSIONS, MAX_SIZE
from kuai.saving.refusals import unique

__all__ = ["CHECKSUMS", "CODES", "CODE_OF_DTYPE", "SAVE", "Entry", "Header", "Piece", "broken"]
__all__ += ["read_header", "write_pieces"]

CODES = {
    "BOOL": dtypes.bool_,
    "U8": dtypes.uint8,
    "U16": dtypes.uint16,
    "U32": dtypes.uint32,
    "U64": dtypes.uint64,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "I64": dtypes.int64,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "F8_E4M3": dtypes.float8_e4m3fn,
    "F8_E5M2": dtypes.float8_e5m2,
    "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz,
    "F8_E8M0": dtypes.float8_e8m0fnu,
    "C64": dtypes.complex64,
}
CODE_OF_DTYPE = {kind: code for code, kind in CODES.items()}
SAVE = "kuai.save"
CHECKSUMS = "kuai.checksums"
_METADATA = "__metadata__"
_OPEN_FILES = ("/proc/self/fd", "/dev/fd")


class Entry(NamedTuple):
    """A tensor of a file: its element type, its shape, and the place of its bytes in the file."""

    code: str
    shape: tuple[int, ...]
    start: int
    size: int
    checksum: int | None = None


class Header(NamedTuple):
    """What stands before the bytes of a file.

    Args:
        save: what the files of one save have in common; None in a file that is not one of several.
        has_checksums: whether each entry has one; that of the header itself has been compared.
    """

    entries: dict[str, Entry]
    metadata: dict[str, str]
    save: str | None = None
    has_checksums: bool = False


class Piece(NamedTuple):
    """A tensor to be written; `read` gives its bytes when their turn has come."""

    kind: dtypes.dtype
    shape: tuple[int, ...]
    read: Callable[[], Any]

    @property
    def size(self) -> int:
        """The number of bytes."""
        return math.prod(self.shape) * self.kind.itemsize


def broken(path: str | os.PathLike, reason: Any) -> BrokenFileError:
    """The error for a file that is not what its name says."""
    return BrokenFileError(f"{os.fspath(path)} is not a complete safetensors file ({reason})")


def read_header(file: BinaryIO, path: str | os.PathLike) -> Header:
    """Read the header of a file, just opened, and check it against the size of the file."""
    _check_kind(path, file.read(LOOKED_AT))
    file.seek(0)
    try:
        with safetensors.safe_open(_path_of(file, path), framework="numpy"):
            length = int.from_bytes(file.read(8), "little")
        found = json.loads(file.read(length), object_pairs_hook=unique)
        metadata = found.pop(_METADATA, None) or {}
        return _header(found, metadata, 8 + length)
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise broken(path, error) from None  # it may quote the file, without end


def _check_kind(path: str | os.PathLike, start: bytes) -> None:
    if is_safetensors(start):
        return
    if is_torch_archive(start):
        name = os.fspath(path)
        raise BrokenFileError(
            f"{name} is a PyTorch file, whatever its name says. Give it a name that ends in .pt, "
            f"or make it a safetensors file: kuai convert {name} new.safetensors"
        )
    kind = kind_of(start) if start else None
    if kind:
        raise BrokenFileError(f"{os.fspath(path)} is not a safetensors file: {kind}")


def _path_of(file: BinaryIO, path: str | os.PathLike) -> str:
    """A path to this very file, which may not be the one that has the name now."""
    for folder in _OPEN_FILES:
        if os.path.exists(opened := f"{folder}/{file.fileno()}"):
            return opened
    if not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
        raise ValueError("it was replaced while it was being opened")
    return os.fspath(path)


def _header(found: dict[str, Any], metadata: dict[str, str], base: int) -> Header:
    checksums = _checksums(found, metadata)
    known = checksums or {}
    entries = {name: _entry(at, base, known.get(name)) for name, at in found.items()}
    return Header(entries, metadata, metadata.pop(SAVE, None), checksums is not None)


def _entry(item: dict[str, Any], base: int, checksum: int | None) -> Entry:
    start, end = item["data_offsets"]
    shape = tuple(item["shape"])
    if len(shape) > MAX_DIMENSIONS or math.prod(size for size in shape if size) > MAX_SIZE:
        raise ValueError(f"a tensor has the shape {item['shape']}")
    return Entry(item["dtype"], shape, base + start, end - start, checksum)


# Checksums ----------------------------------------------------------------------------------------


def _checksums(items: dict[str, Any], metadata: dict[str, str]) -> dict[str, int] | None:
    """The checksums of the tensors, taken out of the metadata; None if it has none."""
    text = metadata.pop(CHECKSUMS, None)
    if text is None:
        return None
    found = json.loads(text, object_pairs_hook=unique)
    tensors = found.get("tensors") if isinstance(found, dict) else None
    if not isinstance(tensors, dict) or tensors.keys() != items.keys():
        raise ValueError("its checksums are not those of its tensors")
    if not all(type(checksum) is int for checksum in tensors.values()):
        raise ValueError("a checksum is no number")
    if found.get("header") != _checksum_of_header(items, metadata, tensors):
        raise ValueError("its header does not have its checksum")
    return tensors


def _checksum_of_header(
    items: Mapping[str, Any], metadata: Mapping[str, str], tensors: Mapping[str, int]
) -> int:
    content = json.dumps([items, metadata, tensors], sort_keys=True)
    return zlib.crc32(content.encode())


def _with_checksums(
    items: dict[str, Any], metadata: Mapping[str, str], pieces: Mapping[str, Piece]
) -> dict[str, str]:
    tensors = {name: zlib.crc32(piece.read()) for name, piece in pieces.items()}
    found = {"header": _checksum_of_header(items, metadata, tensors), "tensors": tensors}
    return {**metadata, CHECKSUMS: json.dumps(found, separators=(",", ":"))}


# Writing ------------------------------------------------------------------------------------------


def write_pieces(
    file: BinaryIO,
    pieces: Mapping[str, Piece],
    metadata: Mapping[str, str] | None = None,
    checksums: bool = False,
) -> None:
    """Write a file, one tensor after the other.

    Args:
        checksums: put checksums into the header; every tensor is read twice for that.
    """
    order = sorted(pieces, key=lambda name: _rank(pieces[name]))
    items = _items(pieces, order)
    strings = _with_checksums(items, metadata or {}, pieces) if checksums else dict(metadata or {})
    header = {**({_METADATA: strings} if strings else {}), **items}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        file.write(pieces[name].read())


def _items(pieces: Mapping[str, Piece], order: list[str]) -> dict[str, Any]:
    """The header's lines, with the places that the tensors have when they follow in this order."""
    items: dict[str, Any] = dict.fromkeys(pieces)
    position = 0
    for name in order:
        piece, end = pieces[name], position + pieces[name].size
        items[name] = {
            "dtype": CODE_OF_DTYPE[piece.kind],
            "shape": list(piece.shape),
            "data_offsets": [position, end],
        }
        position = end
    return items


def _rank(piece: Piece) -> tuple[bool, int]:
    return piece.size % ALIGNMENT != 0, -piece.kind.itemsize
