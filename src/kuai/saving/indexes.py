"""The index of a checkpoint in several files: {"metadata": {…}, "weight_map": {name: file}}.

It is as little trusted as the files: it names files beside itself only, each name has to stand in
the file it is said to stand in, and nowhere else.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving.opening import opened
from kuai.saving.refusals import unique

__all__ = ["Index", "check_names", "named_files", "plain_name", "read_index"]

_LARGEST = 100_000_000  # bytes, as the largest header of a safetensors file


class Index(NamedTuple):
    """What an index says.

    Args:
        weights: for each name the file it stands in.
        metadata: what else it says, unchecked.
    """

    path: pathlib.Path
    weights: dict[str, str]
    metadata: dict[str, Any]

    @property
    def files(self) -> list[pathlib.Path]:
        """The files, each once; an error if one is not there."""
        found = [self.path.parent / name for name in dict.fromkeys(self.weights.values())]
        for file in found:
            if not file.exists():
                raise _broken(self.path, f"its file {file.name} is missing")
        return found


def read_index(path: pathlib.Path, suffix: str) -> Index:
    """Read an index, all of whose files have to end in `suffix`."""
    found = _read(path)
    weights, metadata = found.get("weight_map"), found.get("metadata")
    if not isinstance(weights, dict) or not all(type(file) is str for file in weights.values()):
        raise _broken(path, "weight_map is no JSON object of strings")
    for file in set(weights.values()):
        if not file.endswith(suffix) or not plain_name(file):
            raise UnsafeFileError(f"{path} was not loaded: it names the file {file!r}")
    return Index(path, weights, metadata if isinstance(metadata, dict) else {})


def plain_name(name: str) -> bool:
    """Whether a name can only be that of a file beside the one that says it."""
    return re.search(r"[/\\:\0]|^\.", name) is None


def named_files(folder: pathlib.Path, ending: str) -> set[str] | None:
    """All files that an index in a folder names; None if one of them cannot be read.

    Args:
        ending: that of the name of an index.
    """
    found: set[str] = set()
    for path in folder.iterdir():
        if path.name.endswith(ending):
            try:
                found.update(read_index(path, "").weights.values())
            except (FileFormatError, FileNotFoundError, IsADirectoryError):
                continue  # something else, or gone: it names none
            except OSError:
                return None
    return found


def _read(path: pathlib.Path) -> dict[str, Any]:
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > _LARGEST:
            raise _broken(path, "an index of more than 100 MB")
        content = file.read()
    try:
        found = json.loads(content, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _broken(path, error) from error
    if not isinstance(found, dict):
        raise _broken(path, "the index is no JSON object")
    return found


def _broken(path: pathlib.Path, reason: Any) -> BrokenFileError:
    return BrokenFileError(f"{path} is not a complete checkpoint ({reason})")


def check_names(index: Index, found: Mapping[str, Iterable[Any]]) -> None:
    """Refuse files (name -> the names in it) that hold something else than the index says."""
    standing = set()
    for file, names in found.items():
        for name in names:
            wanted = index.weights.get(name)
            if wanted is None:
                text = f"{file} has a tensor {name!r}, of which the index does not know"
                raise _broken(index.path, text)
            if wanted != file:
                text = f"{name!r} stands in {file}, but the index says {wanted}"
                raise _broken(index.path, text)
            standing.add(name)
    for name, file in index.weights.items():
        if name not in standing:
            raise _broken(index.path, f"{name!r} does not stand in {file}")
