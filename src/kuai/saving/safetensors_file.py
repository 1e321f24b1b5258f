"""Tensors by name in a safetensors file, or in several with an index.

The format cannot say that two tensors are one. Tied tensors are therefore kept once, under the
first of their names; the others stand as JSON in the metadata, `{"kuai.aliases": {other: first}}`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.layouts import layout_of
from kuai.engine.tensor.storage import resolve
from kuai.engine.tensor.views import value
from kuai.errors import FileFormatError, UnsavableObjectError, printable
from kuai.nn.parameter import is_lazy
from kuai.saving.content import Content, elements
from kuai.saving.foreign import foreign_dtype
from kuai.saving.refusals import Damaged
from kuai.saving.safetensors_format import (
    CHECKSUMS,
    CODE_OF_DTYPE,
    CODES,
    SAVE,
    Entry,
    Piece,
    broken,
)
from kuai.saving.safetensors_source import Source, open_source
from kuai.saving.shards import write_checkpoint

__all__ = ["array_of_entry", "load_file", "load_metadata", "save_file", "tensors_of"]
__all__ += ["unknown_type", "write_tensors"]

_OWN = (CHECKSUMS, SAVE)


@folding
def save_file(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike,
    metadata: dict[str, str] | None = None,
    *,
    max_shard_size: int | str | None = None,
) -> None:
    """Write tensors and, beside them, strings to a safetensors file.

    Tied tensors are written once; `load_file` ties them again.

    Args:
        max_shard_size: at most that many bytes ("5GB") go into one file. If they do not suffice,
            `model.safetensors` becomes `model-00001-of-00002.safetensors`, … and the index
            `model.safetensors.index.json`, as hubs publish them; the files that an earlier
            index of this name names go when the new one is whole. `path` may also be the index
            or a folder.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/weights.safetensors"
        >>> kuai.save_file({"w": kuai.ones(2)}, path, {"made by": "hand"})
        >>> kuai.load_file(path)
        {'w': tensor([1., 1.])}
    """
    write_tensors(tensors, path, metadata or {}, max_shard_size=max_shard_size)


def write_tensors(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike,
    metadata: Mapping[str, str],
    *,
    max_shard_size: int | str | None = None,
    checksums: bool = False,
) -> None:
    """The same, with checksums in the header if they are wanted."""
    _check_tensors(tensors)
    _check_strings(metadata)
    aliases = _aliases(tensors)
    pieces = {name: _piece(t) for name, t in tensors.items() if name not in aliases}
    write_checkpoint(path, pieces, aliases, metadata, max_shard_size, checksums)


@folding
def load_file(path: str | os.PathLike, device=None, *, mmap: bool = False) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name.

    Args:
        path: a file, the index of several, or a folder that holds either.
        device: where the tensors go.
        mmap: use the file itself as memory; values are read when they are used. The file may be
            replaced meanwhile, as all of Kuai's savers do, but must not be cut off.

    Raises:
        BrokenFileError: a file is not a safetensors file, or it is cut off.
    """
    with open_source(path) as source:
        return tensors_of(source, device, mmap)


def tensors_of(source: Source, device: Any = None, mmap: bool = False) -> dict[str, Tensor]:
    """All tensors of an open checkpoint, by name."""
    tensors: dict[str, Tensor] = {}
    for part in source.parts:
        content = part.content(mmap)
        for name, entry in part.header.entries.items():
            tensors[name] = from_array(array_of_entry(content, part.path, name, entry), device)
        part.check_unchanged()
        part.close()
    for alias, name in source.aliases.items():
        tensors[alias] = Tensor._share(tensors[name])
    return tensors


def load_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The strings that were saved beside the tensors."""
    with open_source(path) as source:
        return source.metadata


def array_of_entry(content: Content, file: pathlib.Path, name: str, entry: Entry) -> np.ndarray:
    """A tensor of a file; where it has a checksum and is not mapped, that is compared."""
    kind = CODES.get(entry.code)
    if kind is None:
        raise FileFormatError(f"{file}: {unknown_type(name, entry.code)}")
    try:
        found = content.array(entry.start, entry.size, entry.checksum)
        return elements(found, kind).reshape(entry.shape)
    except (Damaged, ValueError) as error:  # NumPy's, for more than 64 or too large dimensions
        raise broken(file, error) from error


def unknown_type(name: str, code: str) -> str:
    """What there is to say about a tensor of an element type that Kuai does not have."""
    found = foreign_dtype(code)
    way_out = f". In PyTorch, put {found.remedy} in its place, and save that" if found else ""
    return f"'{printable(name)}' is of {printable(code)}, which Kuai does not have{way_out}"


def _check_tensors(tensors: Mapping[str, Tensor]) -> None:
    if not isinstance(tensors, Mapping):
        raise UnsavableObjectError(
            f"a safetensors file holds a dict of tensors, not a {type(tensors).__name__}"
        )
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or is_lazy(tensor):
            raise UnsavableObjectError(
                f"a safetensors file holds tensors by name, but {name!r} is a "
                f"{type(tensor).__name__}"
            )
        if tensor._specified is not None:
            raise UnsavableObjectError(
                f"{name!r} has the layout {tensor.layout}, which the safetensors format does not "
                "have; to_dense() makes a dense tensor of it"
            )
        if name == "__metadata__":
            raise UnsavableObjectError("a safetensors file keeps the name '__metadata__' to itself")
        if tensor.dtype not in CODE_OF_DTYPE:
            raise UnsavableObjectError(
                f"{name!r} has dtype {tensor.dtype}, which the safetensors format does not have"
            )


def _check_strings(metadata: Mapping[Any, Any]) -> None:
    for name, text in metadata.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise UnsavableObjectError(f"metadata has to be strings, but {name!r} is {text!r}")
        if name in _OWN:
            raise UnsavableObjectError(f"Kuai keeps {name!r} in the metadata to itself")


def _aliases(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each tensor that is another one under a second name, the first name."""
    first: dict[tuple, str] = {}
    found = {}
    for name, tensor in tensors.items():
        same = (id(resolve(tensor._storage)), layout_of(tensor), tensor.dtype.name)
        if same in first:
            found[name] = first[same]
        else:
            first[same] = name
    return found


def _piece(tensor: Tensor) -> Piece:
    def read() -> np.ndarray:
        return np.ascontiguousarray(value(tensor)).reshape(-1).view(np.uint8)

    return Piece(tensor.dtype, tuple(tensor.shape), read)
