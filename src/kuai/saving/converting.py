"""Converting files into each other, one tensor at a time.

What is converted is never run and never held as a whole. Tied tensors stay tied; other views are
written as tensors of their own, which is said, as is all that the new format has no place for.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tensor.dtypes import complex128, dtype
from kuai.errors import FileFormatError, UnsavableObjectError
from kuai.saving.atomic import replacing
from kuai.saving.listing import quoted, walk
from kuai.saving.opening import given_path
from kuai.saving.outline_writing import write_outlines
from kuai.saving.outlines import Outline, Outlined, open_outlines
from kuai.saving.safetensors_file import unknown_type
from kuai.saving.safetensors_format import Piece
from kuai.saving.safetensors_source import INDEX, SUFFIX
from kuai.saving.shards import bytes_of, is_in_several, target_files, write_checkpoint

__all__ = ["convert", "existing_target"]

_TORCH = (".pt", ".pth", ".bin", ".ckpt", ".params")
_METADATA = {"format": "pt"}  # transformers asks for it
Progress = Callable[[int, int], Any]


class Converted(NamedTuple):
    """What a conversion has made: the file or the index, and what could not be carried over."""

    path: pathlib.Path
    notes: list[str]


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    max_shard_size: int | str | None = None,
    dtype: dtype | None = None,
    tensors_only: bool = False,
    progress: Progress | None = None,
) -> Converted:
    """Write the content of a file in the format that the target's name says.

    Args:
        target: a path that ends in .safetensors, .safetensors.index.json, .pt, .pth, …, or a
            folder for safetensors.
        max_shard_size: at most that many bytes go into one safetensors file.
        dtype: what floating-point tensors become.
        tensors_only: leave out what is no tensor, where safetensors has no place for it.
        progress: called with the number of bytes done and of all after each tensor.

    Raises:
        UnsavableObjectError: the new format has no place for something; the message names it.
    """
    _check_target(target, max_shard_size)
    with open_outlines(source) as found:
        job = _Job(found, dtype, progress)
        if _is_torch(target):
            made = job.write_torch(target)
        else:
            made = job.write_safetensors(target, max_shard_size, tensors_only)
        job.note_too_large()
    return Converted(made, job.notes)


def existing_target(
    path: str | os.PathLike, max_shard_size: int | str | None = None
) -> pathlib.Path | None:
    """The file that a conversion to this path would take the place of, or remove."""
    path = given_path(path)
    taken: tuple[pathlib.Path, ...] = (path,)
    if path.is_dir() or (max_shard_size is not None and path.name.endswith(SUFFIX)):
        taken = target_files(path)
    return next((file for file in taken if file.exists()), None)


def _is_torch(target: str | os.PathLike) -> bool:
    return os.fspath(target).endswith(_TORCH) and not os.path.isdir(target)


def _check_target(target: str | os.PathLike, max_shard_size: int | str | None) -> None:
    given_path(target)
    if _is_torch(target):
        if max_shard_size is not None:
            raise FileFormatError(f"{target}: only safetensors checkpoints have several files")
        return
    if not os.path.isdir(target) and not os.fspath(target).endswith((SUFFIX, INDEX)):
        endings = ", ".join((SUFFIX, INDEX, *_TORCH))
        raise FileFormatError(
            f"{target}: to what format? A folder that is there, or a name with {endings}"
        )
    if max_shard_size is not None:
        bytes_of(max_shard_size)


class _Job:
    def __init__(self, found: Outlined, kind: dtype | None, progress: Progress | None):
        self.notes: list[str] = []
        self._found = found
        self._kind = kind
        self._progress = progress
        self._pairs = list(walk(found.tree))
        self._outlines = [(n, v) for n, v in self._pairs if isinstance(v, Outline)]
        self._done = 0
        self._too_large: dict[str, list[str]] = {}
        unique = {outline.identity: outline for _, outline in self._outlines}
        self._names = {outline.identity: name for name, outline in reversed(self._outlines)}
        self._all = sum(outline.nbytes for outline in unique.values())
        self._check_known()
        self._note_views()

    def write_torch(self, target: str | os.PathLike) -> pathlib.Path:
        if self._found.metadata:
            self.notes.append(f"left out: metadata {quoted(self._found.metadata)}")
        with replacing(target) as file:
            write_outlines(self._found.tree, file, self._kind_of, self._bytes)
        return pathlib.Path(target)

    def write_safetensors(
        self, target: str | os.PathLike, max_shard_size: int | str | None, tensors_only: bool
    ) -> pathlib.Path:
        self._check_others(tensors_only)
        self._note_attributes()
        first: dict[Any, str] = {}
        aliases, pieces = {}, {}
        for name, outline in self._outlines:
            if name in pieces or name in aliases:
                raise UnsavableObjectError(f"two tensors would have the name {name!r}")
            if outline.identity in first:
                aliases[name] = first[outline.identity]
            else:
                first[outline.identity] = name
                pieces[name] = self._piece(name, outline)
        metadata = self._found.metadata or _METADATA
        if is_in_several(target, pieces, max_shard_size):
            self._all *= 2
        return write_checkpoint(target, pieces, aliases, metadata, max_shard_size)

    def _piece(self, name: str, outline: Outline) -> Piece:
        kind = self._kind_of(outline)
        if kind is complex128:
            raise UnsavableObjectError(
                f"{name!r} has dtype {kind}, which the safetensors format does not have"
            )
        return Piece(kind, outline.shape, lambda: self._bytes(outline))

    # Reading ----------------------------------------------------------------------------------

    def _kind_of(self, outline: Outline) -> dtype:
        assert outline.dtype is not None
        return self._kind if self._kind and outline.dtype.is_floating_point else outline.dtype

    def _bytes(self, outline: Outline) -> np.ndarray:
        array, kind = outline.read(), self._kind_of(outline)
        if kind is not outline.dtype:
            with np.errstate(over="ignore", invalid="ignore"):
                cast = array.astype(kind.jax)
            if np.isfinite(array).all() and not np.isfinite(cast).all():
                self._too_large.setdefault(kind.name, []).append(self._names[outline.identity])
            array = cast
        self._done += outline.nbytes
        if self._progress is not None:
            self._progress(self._done, self._all)
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    # What does not fit ------------------------------------------------------------------------

    def _check_known(self) -> None:
        for name, outline in self._outlines:
            if outline.dtype is None:
                raise UnsavableObjectError(unknown_type(name, outline.code))

    def _check_others(self, tensors_only: bool) -> None:
        others = [name for name, value in self._pairs if not isinstance(value, Outline)]
        if others and not tensors_only:
            raise UnsavableObjectError(
                f"safetensors files hold tensors only; {quoted(others)} would be lost. Leave out "
                "what is no tensor with --tensors-only"
            )
        if others:
            self.notes.append(f"left out: {quoted(others)}")

    def note_too_large(self) -> None:
        """Say which tensors were cast and have lost large values."""
        for kind, found in self._too_large.items():
            names = list(dict.fromkeys(found))  # some tensors are read twice
            has = "has" if len(names) == 1 else "have"
            self.notes.append(f"{quoted(names)} {has} values too large for {kind}")

    def _note_attributes(self) -> None:
        names = [name for name, outline in self._outlines if outline.attributes]
        if names:
            self.notes.append(f"left out: the attributes of {quoted(names)}")

    def _note_views(self) -> None:
        first: dict[Any, Any] = {}
        names = []
        for name, outline in self._outlines:
            if first.setdefault(outline.storage, outline.identity) != outline.identity:
                names.append(name)
        if names:
            self.notes.append(f"written as tensors of their own: {quoted(names)}, which are views")
