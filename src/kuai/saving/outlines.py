"""Outlines: the tensors of a file by dtype, shape and place, without their values.

What lists a file needs no more; what converts one reads the values one tensor at a time. PyTorch
files go through the reader that `kuai.load` uses, with its every check; only what it makes of a
checked description is an `Outline` instead of a tensor.
"""

from __future__ import annotations

import functools
import math
import os
import pathlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.layouts import Layout
from kuai.saving.content import Content, elements
from kuai.saving.interpreter import interpret
from kuai.saving.kinds import LOOKED_AT, is_safetensors, is_torch_archive
from kuai.saving.names import Tensors, checked_bits, known_names
from kuai.saving.opening import given_path, opened
from kuai.saving.refusals import Damaged, Refused, explained
from kuai.saving.safetensors_format import CODES, Entry, broken
from kuai.saving.safetensors_source import INDEX, SUFFIX, open_source
from kuai.saving.storages import Storages, Stored, checked_kind
from kuai.saving.strided import contiguous
from kuai.saving.torch_file import open_archive, storages_of
from kuai.saving.torch_shards import is_index, merged
from kuai.saving.trees import check_tree

__all__ = ["Bytes", "Outline", "Outlined", "open_outlines"]


class Bytes:
    """The bytes of a storage in a file, compared with their checksum when they are first read."""

    def __init__(self, content: Content, start: int, size: int, checksum: int | None = None):
        self.size = size
        self._content = content
        self._start = start
        self._checksum = self._unchecked = checksum

    def read(self, start: int, size: int) -> np.ndarray:
        """A part of them, in memory of its own."""
        if (start, size) == (0, self.size):
            checksum, self._unchecked = self._unchecked, None
            return self._content.read(self._start, size, checksum)
        self._check()
        return self._content.read(self._start + start, size)

    def window(self) -> np.ndarray:
        """All of them, mapped."""
        self._check()
        return self._content.window(self._start, self.size)

    def is_intact(self) -> bool | None:
        """Whether they have their checksum; None if there is none."""
        if self._checksum is None:
            return None
        try:
            self._content.check(self._start, self.size, self._checksum)
        except Damaged:
            return False
        return True

    def _check(self) -> None:
        if self._unchecked is not None:
            self._content.check(self._start, self.size, self._unchecked)
            self._unchecked = None


@dataclass(eq=False)
class Outline:
    """A tensor of a file.

    Args:
        dtype: None where Kuai has no such type; `code` is its name in any case.
        window: sizes, strides and offset on the storage.
        storage: file and name, the same for tensors that share their storage.
        role: tensor, parameter or buffer.
        lazy: operations that are still to be done when the values are read: conj, neg.
    """

    dtype: dtype | None
    code: str
    window: Layout
    storage: tuple[str, str]
    bytes: Bytes
    lazy: tuple[str, ...] = ()
    role: str = "tensor"
    requires_grad: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return self.window.shape

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes the elements take up."""
        return self.bytes.size if self.dtype is None else self.count * self.dtype.itemsize

    @property
    def identity(self) -> Any:
        """The same for outlines of the very same values."""
        return self.storage, self.window, self.code, self.lazy

    def read(self) -> np.ndarray:
        """Its values, in memory of their own or in the file."""
        assert self.dtype is not None
        array = self._read_plain(self.dtype)
        if "conj" in self.lazy:
            array = np.conjugate(array)
        return np.negative(array) if "neg" in self.lazy else array

    def _read_plain(self, kind: dtype) -> np.ndarray:
        if self.window.is_contiguous:
            content = self.bytes.read(self.window.offset * kind.itemsize, self.nbytes)
            return elements(content, kind).reshape(self.shape)
        flat = elements(self.bytes.window(), kind)[self.window.offset :]
        steps = tuple(stride * kind.itemsize for stride in self.window.strides)
        found = np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False)
        return np.ascontiguousarray(found)


class Outlined:
    """What a file holds: a tree of outlines and plain values, and strings beside it.

    Args:
        files: the files that it consists of, and their sizes.
    """

    def __init__(
        self, kind: str, tree: Any, metadata: dict[str, str], files: dict[pathlib.Path, int]
    ):
        self.kind = kind
        self.tree = tree
        self.metadata = metadata
        self.files = files


@contextmanager
def open_outlines(path: str | os.PathLike) -> Iterator[Outlined]:
    """The outlines of a file of any kind, whose values can be read inside the block."""
    path = given_path(path)
    with ExitStack() as stack:
        if path.is_dir() or _is_safetensors(path):
            found = _of_safetensors(path, stack)
        else:
            found = (_of_torch_shards if is_index(path) else _of_torch)(path, stack)
        with explained(str(path), found.kind):
            yield found


def _is_safetensors(path: pathlib.Path) -> bool:
    """By its first bytes rather than by its name, which may be wrong."""
    if path.name.endswith(INDEX):
        return True
    with opened(path) as file:
        start = file.read(LOOKED_AT)
    return is_safetensors(start) or (path.name.endswith(SUFFIX) and not is_torch_archive(start))


# safetensors --------------------------------------------------------------------------------------


def _of_safetensors(path: pathlib.Path, stack: ExitStack) -> Outlined:
    source = stack.enter_context(open_source(path))
    contents = {part.path: part.content(mapped=True) for part in source.parts}
    tree = {
        name: _outline_of_entry(contents[part.path], (part.path.name, name), entry)
        for name, (part, entry) in source.entries.items()
    }
    for name, outline in tree.items():
        if outline.dtype and outline.nbytes != outline.bytes.size:
            raise broken(path, f"{name!r} has another number of bytes than its shape says")
    tree |= {alias: tree[name] for alias, name in source.aliases.items()}
    sharded = path.name.endswith(INDEX) or len(source.parts) > 1
    kind = "safetensors checkpoint" if sharded else "safetensors file"
    return Outlined(kind, tree, source.metadata, {part.path: part.size for part in source.parts})


def _outline_of_entry(content: Content, storage: tuple, entry: Entry) -> Outline:
    kind = CODES.get(entry.code)
    place = Bytes(content, entry.start, entry.size, entry.checksum)
    code = kind.name if kind else entry.code
    return Outline(kind, code, contiguous(entry.shape), storage, place)


# PyTorch ------------------------------------------------------------------------------------------


def _of_torch(path: pathlib.Path, stack: ExitStack) -> Outlined:
    file = stack.enter_context(opened(path))
    with explained(str(path), "PyTorch file"):
        archive = open_archive(file, str(path))
        storages = storages_of(archive)
        content = Content(file, mapped=True)
        bytes_of = functools.partial(_bytes_of_entry, archive, content)
        outlines = _Outlines(storages, bytes_of, path.name)
        tree = interpret(archive.read("data.pkl"), known_names(outlines), storages.find)
        check_tree(tree, (Outline,))
    return Outlined("PyTorch file", tree, {}, {path: os.fstat(file.fileno()).st_size})


def _of_torch_shards(path: pathlib.Path, stack: ExitStack) -> Outlined:
    files = {}

    def read(file: pathlib.Path) -> Any:
        found = _of_torch(file, stack)
        files.update(found.files)
        return found.tree

    return Outlined("PyTorch checkpoint", merged(path, read), {}, files)


def _bytes_of_entry(archive: Any, content: Content, key: str) -> Bytes:
    name = f"data/{key}"
    start, size = archive.place(name)
    return Bytes(content, start, size, archive.checksum(name))


class _Outlines(Tensors):
    """Makes outlines of the descriptions of tensors."""

    made = Outline

    def __init__(self, storages: Storages, bytes_of: Any, file: str):
        super().__init__(storages)
        self._bytes_of = bytes_of
        self._file = file
        self._found: dict[str, tuple[Bytes, dtype]] = {}

    def on_storage(self, stored: Any, kind: dtype | None, window: Layout, bits: tuple) -> Outline:
        kind = checked_kind(stored, kind, window)
        lazy = tuple(checked_bits(bits, kind))
        storage = self._storage(stored, kind)
        made = Outline(kind, kind.name, window, (self._file, stored.key), storage, lazy)
        if made.nbytes != storage.size or not window.is_contiguous or lazy:
            self._storages.count_copy(made.nbytes)
        return made

    def _storage(self, stored: Stored, kind: dtype) -> Bytes:
        if stored.key not in self._found:
            self._found[stored.key] = self._bytes_of(stored.key), kind
        found, first = self._found[stored.key]
        if first is not kind:
            raise Refused(f"storage {stored.key!r} is used with two element types")
        return found

    def parameter(self, data: Outline) -> Outline:
        return replace(data, role="parameter", requires_grad=False, attributes={})

    def buffer(self, data: Outline) -> Outline:
        return replace(data, role="buffer")

    def attach(self, tensor: Outline, name: str, value: Any) -> None:
        tensor.attributes[name] = value
