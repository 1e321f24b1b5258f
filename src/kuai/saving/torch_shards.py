"""Checkpoints of several PyTorch files with an index, as hubs published them before safetensors:
`pytorch_model-00001-of-00002.bin`, … and `pytorch_model.bin.index.json` (see `indexes`).
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from kuai.errors import FileFormatError
from kuai.saving.indexes import check_names, read_index
from kuai.saving.opening import opened
from kuai.saving.torch_file import read_torch_file

__all__ = ["INDEX", "is_index", "merged", "read_torch_shards"]

INDEX = ".bin.index.json"
_SUFFIX = ".bin"


def is_index(path: str | os.PathLike) -> bool:
    """Whether a path names the index of several PyTorch files."""
    return os.fspath(path).endswith(INDEX)


def read_torch_shards(path: str | os.PathLike, map_location: Any, mapped: bool) -> dict[str, Any]:
    """Read the files of an index into one dict."""

    def read(file: pathlib.Path) -> Any:
        with opened(file) as stream:
            return read_torch_file(stream, str(file), map_location, mapped)

    return merged(path, read)


def merged(path: str | os.PathLike, read) -> dict[str, Any]:
    """What `read(file)` makes of the files of an index, put together."""
    index = read_index(pathlib.Path(path), _SUFFIX)
    found = {file.name: _dict(file, read(file)) for file in index.files}
    check_names(index, found)
    return {name: value for part in found.values() for name, value in part.items()}


def _dict(file: pathlib.Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise FileFormatError(f"{file} holds a {type(found).__name__}, not a dict of tensors")
    return found
