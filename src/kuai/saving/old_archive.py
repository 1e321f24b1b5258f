"""PyTorch's format before 1.6: pickles one after another, then the bytes of the storages.

    pickle      a number that says what the file is
    pickle      1001, the version
    pickle      the order of bytes, and how long C's integers are
    pickle      the objects; a storage is named by (…, type, key, place, length, None)
    pickle      the keys of the storages
    storages    in the order of the keys: how many elements (64 bits), and the elements

`torch.save(…, _use_new_zipfile_serialization=False)` still writes it. It is read as the newer
format is: the instructions by `interpreter`, with the same names; sizes and places are checked.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from kuai.saving.content import Content
from kuai.saving.element_types import DTYPE_OF_STORAGE, UNTYPED
from kuai.saving.interpreter import interpret
from kuai.saving.kinds import OLD_NUMBER
from kuai.saving.old_pickles import GlobalName, next_pickle
from kuai.saving.pickling import pickled
from kuai.saving.refusals import Damaged, Refused, exactly
from kuai.saving.storages import Storages, Stored

__all__ = ["OldArchive", "OldStorages", "write_old_archive"]

_VERSION = 1001
_COUNT = struct.Struct("<q")
_SYSTEM = {
    "protocol_version": _VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_ITEMSIZES = {f"torch {name}": kind.itemsize for name, kind in DTYPE_OF_STORAGE.items()}
_ITEMSIZES |= {f"torch {UNTYPED}": 1, f"torch.storage {UNTYPED}": 1}


class OldArchive:
    """The parts of an old file under the names that they have in a new one."""

    def __init__(self, file: BinaryIO):
        length = file.seek(0, os.SEEK_END)
        self._content = Content(file)
        file.seek(0)
        number, version, system = (_plain(next_pickle(file)[0]) for _ in range(3))
        if number != OLD_NUMBER or version != _VERSION:
            raise Refused(f"it is of version {version}; {_VERSION} is known")
        if exactly(system, dict, "what it says of its machine").get("little_endian") is not True:
            raise Refused("it was written on a big-endian machine")
        self._code, identities = next_pickle(file)
        keys = exactly(_plain(next_pickle(file)[0]), list, "the keys of its storages")
        self._places = _places(file, keys, _itemsizes(identities), length)

    @property
    def names(self) -> list[str]:
        """The names of the parts."""
        return ["data.pkl", *self._places]

    def size(self, name: str) -> int:
        """The number of bytes of a storage."""
        return self.place(name)[1]

    def read(self, name: str) -> bytes:
        """The instructions that make the objects."""
        return self._code if name == "data.pkl" else self.array(name).tobytes()

    def array(self, name: str) -> np.ndarray:
        """The bytes of a storage, in memory that JAX can use as it is."""
        return self._content.array(*self.place(name))

    def checksum(self, name: str) -> None:
        """These files have none."""

    def place(self, name: str) -> tuple[int, int]:
        """Where the bytes of a storage begin in the file, and how many they are."""
        if name not in self._places:
            raise Damaged(f"there is no {name!r} in it")
        return self._places[name]


class OldStorages(Storages):
    """The storages of an old file, whose identities say more."""

    def find(self, identity: Any) -> Any:
        """A storage, a part of one, or the class of a module, beside which its source stood."""
        exactly(identity, tuple, "the identity of a storage")
        if len(identity) == 4 and identity[0] == "module" and isinstance(identity[1], type):
            return identity[1]
        if len(identity) != 6:
            raise Refused("a storage has an identity of another form than PyTorch's")
        stored, part = super().find(identity[:5]), identity[5]
        return stored if part is None else _part(stored, part)


def _part(stored: Stored, part: Any) -> Stored:
    """What a storage was that lay within another one: (its key, where it begins, its length)."""
    if len(exactly(part, tuple, "a part of a storage")) != 3:
        raise Refused("a part of a storage has another form than PyTorch's")
    start, length = (exactly(number, int, "the place of a part") for number in part[1:])
    if not 0 <= start <= start + length <= stored.length:
        raise Refused(f"a part of storage {stored.key!r} does not lie within it")
    return stored._replace(start=start)


def _plain(code: bytes) -> Any:
    """A value that consists of numbers, strings, lists and dicts."""
    return interpret(code, {}, lambda identity: exactly(identity, type(None), "an identity"))


def _itemsizes(identities: list[Any]) -> dict[str, int]:
    """The bytes of an element, by the storages' keys."""
    found: dict[str, int] = {}
    for identity in identities:
        if type(identity) is not tuple or identity[:1] != ("storage",) or len(identity) != 6:
            continue
        kind, key = identity[1:3]
        if type(kind) is not GlobalName or kind not in _ITEMSIZES or type(key) is not str:
            raise Refused("a storage has an identity of another form than PyTorch's")
        if found.setdefault(key, _ITEMSIZES[kind]) != _ITEMSIZES[kind]:
            raise Refused(f"storage {key!r} is used with two element types")
    return found


def _places(
    file: BinaryIO, keys: list, itemsizes: dict[str, int], length: int
) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        if exactly(key, str, "the key of a storage") not in itemsizes or f"data/{key}" in places:
            raise Refused(f"storage {key!r} is listed twice, or is not used")
        counted = file.read(_COUNT.size)
        if len(counted) != _COUNT.size:
            raise Damaged("it is cut off")
        (count,) = _COUNT.unpack(counted)
        start, size = file.tell(), count * itemsizes[key]
        if not 0 <= start <= start + size <= length:
            raise Damaged("it is cut off")
        places[f"data/{key}"] = start, size
        file.seek(start + size)
    return places


def write_old_archive(
    file: BinaryIO, code: bytes, storages: Iterable[tuple[str, int, memoryview]]
) -> None:
    """Write the instructions that make the objects, and of each storage key, length and bytes."""
    storages = list(storages)
    for value in (OLD_NUMBER, _VERSION, _SYSTEM):
        file.write(pickled(value, lambda value: None))
    file.write(code)
    file.write(pickled([key for key, _, _ in storages], lambda value: None))
    for _, length, content in storages:
        file.write(_COUNT.pack(length))
        file.write(content)
