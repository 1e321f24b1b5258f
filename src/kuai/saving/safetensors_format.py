"""The safetensors format: a JSON header and the bytes of the tensors; it holds no code.

    8 bytes   the length of the header, little-endian
    header    {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets"}, …}
    bytes     the tensors, without gaps

See https://github.com/huggingface/safetensors, whose library judges here whether a file is whole.
Writing pads the header and puts tensors of 64, 128, … bytes first, so that each of them lies at
a multiple of 64 bytes and can be used without a copy; the header keeps the order of the names.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import safetensors

from kuai.engine.tensor import dtypes
from kuai.errors import BrokenFileError
from kuai.saving.content import ALIGNMENT
from kuai.saving.kinds import LOOKED_AT, is_safetensors, is_torch_archive, kind_of
from kuai.saving.limits import MAX_DIMENSIONS, MAX_SIZE
from kuai.saving.opening import opened
from kuai.saving.refusals import unique

__all__ = ["CODES", "CODE_OF_DTYPE", "Entry", "Header", "Piece", "broken", "read_header"]
__all__ += ["write_pieces"]

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
    "C64": dtypes.complex64,
}
CODE_OF_DTYPE = {kind: code for code, kind in CODES.items()}
_METADATA = "__metadata__"


class Entry(NamedTuple):
    """A tensor of a file: its element type, its shape, and the place of its bytes in the file."""

    code: str
    shape: tuple[int, ...]
    start: int
    size: int


class Header(NamedTuple):
    """What stands before the bytes of a file."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


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


def read_header(path: str | os.PathLike) -> Header:
    """Read the header of a file and check it against the size of the file."""
    with opened(path) as file:  # PermissionError and the like, with the name
        _check_kind(path, file.read(LOOKED_AT))
        file.seek(0)
        try:
            with safetensors.safe_open(os.fspath(path), framework="numpy"):
                length = int.from_bytes(file.read(8), "little")
            found = json.loads(file.read(length), object_pairs_hook=unique)
            metadata = found.pop(_METADATA, None) or {}
            return Header({name: _entry(at, 8 + length) for name, at in found.items()}, metadata)
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


def _entry(item: dict[str, Any], base: int) -> Entry:
    start, end = item["data_offsets"]
    shape = tuple(item["shape"])
    if len(shape) > MAX_DIMENSIONS or math.prod(size for size in shape if size) > MAX_SIZE:
        raise ValueError(f"a tensor has the shape {item['shape']}")
    return Entry(item["dtype"], shape, base + start, end - start)


def write_pieces(
    file: BinaryIO, pieces: Mapping[str, Piece], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a file, one tensor after the other."""
    order = sorted(pieces, key=lambda name: _rank(pieces[name]))
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    header |= dict.fromkeys(pieces)
    position = 0
    for name in order:
        piece, end = pieces[name], position + pieces[name].size
        header[name] = {
            "dtype": CODE_OF_DTYPE[piece.kind],
            "shape": list(piece.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        file.write(pieces[name].read())


def _rank(piece: Piece) -> tuple[bool, int]:
    return piece.size % ALIGNMENT != 0, -piece.kind.itemsize
