"""Where the tensors of a safetensors checkpoint stand: in one file, or in several with an index.

Hubs publish large models as `model-00001-of-00003.safetensors`, … and an index file,
`model.safetensors.index.json`: {"metadata": {"total_size": …}, "weight_map": {name: file}}. The
index is as little trusted as the files: it names files beside itself only, each name has to stand
in the file it is said to stand in, and nowhere else. `total_size` is not used: published ones are
often wrong.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving.safetensors_format import Entry, Header, broken, read_header, unique

__all__ = ["ALIASES", "INDEX", "SUFFIX", "Source", "is_index", "read_source"]

SUFFIX = ".safetensors"
INDEX = ".safetensors.index.json"
ALIASES = "kuai.aliases"  # in the metadata: {other name: first name} of tied tensors, as JSON
_LARGEST_INDEX = 100_000_000  # bytes, as the largest header
_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.safetensors")


class Source(NamedTuple):
    """The tensors of a checkpoint.

    Args:
        files: the header of each file.
        entries: for each name the file and the place in it.
        aliases: for each further name of a tied tensor the first one.
        metadata: the user's strings.
    """

    files: dict[pathlib.Path, Header]
    entries: dict[str, tuple[pathlib.Path, Entry]]
    aliases: dict[str, str]
    metadata: dict[str, str]


def is_index(path: str | os.PathLike) -> bool:
    """Whether a path names the index of several files."""
    return os.fspath(path).endswith(INDEX)


def read_source(path: str | os.PathLike) -> Source:
    """Read the headers of a file, of the files of an index, or of what a folder holds of these."""
    path = pathlib.Path(path)
    path = _in_folder(path) if path.is_dir() else path
    if is_index(path):
        return _sharded(path)
    header = read_header(path)
    entries = {name: (path, entry) for name, entry in header.entries.items()}
    metadata = dict(header.metadata)
    aliases = _aliases(path, metadata.pop(ALIASES, "{}"), entries)
    return Source({path: header}, entries, aliases, metadata)


def _in_folder(folder: pathlib.Path) -> pathlib.Path:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    found = [name for name in names if name.endswith(INDEX)]
    found += [n for n in names if n.endswith(SUFFIX) and not _SHARD.fullmatch(n)]
    usual = [name for name in found if name in ("model" + INDEX, "model" + SUFFIX)]
    found = usual or found
    if len(found) == 1:
        return folder / found[0]
    if found:
        raise FileFormatError(f"{folder} has several checkpoints; name one: {', '.join(found)}")
    if any(_SHARD.fullmatch(name) for name in names):
        raise BrokenFileError(f"{folder} has parts of a checkpoint, but no file *{INDEX}")
    raise FileFormatError(f"{folder} has no safetensors file in it")


def _sharded(path: pathlib.Path) -> Source:
    index = _read_index(path)
    weights = _strings(path, index.get("weight_map"), "weight_map")
    strings = index.get("metadata") or {}
    files = {path.parent / name: None for name in dict.fromkeys(weights.values())}
    headers = {file: _shard(path, file) for file in files}
    entries: dict[str, tuple[pathlib.Path, Entry]] = {}
    for file, header in headers.items():
        for name, entry in header.entries.items():
            _check_place(path, name, weights.get(name), file.name)
            entries[name] = file, entry
    for name, shard in weights.items():
        if name not in entries:
            raise broken(path, f"{name!r} does not stand in {shard}")
    text = strings.get(ALIASES, "{}") if isinstance(strings, dict) else "{}"
    metadata = next(iter(headers.values())).metadata if headers else {}
    return Source(headers, entries, _aliases(path, text, entries), dict(metadata))


def _read_index(path: pathlib.Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_INDEX:
        raise broken(path, "an index of more than 100 MB")
    content = path.read_bytes()
    try:
        found = json.loads(content, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise broken(path, error) from error
    if not isinstance(found, dict):
        raise broken(path, "the index is no JSON object")
    return found


def _strings(path: pathlib.Path, found: Any, what: str) -> dict[str, str]:
    if not isinstance(found, dict) or not all(type(value) is str for value in found.values()):
        raise broken(path, f"{what} is no JSON object of strings")
    for name in set(found.values()):
        if not name.endswith(SUFFIX) or re.search(r"[/\\:\0]|^\.", name):
            raise UnsafeFileError(f"{path} was not loaded: it names the file {name!r}")
    return found


def _shard(index: pathlib.Path, file: pathlib.Path) -> Header:
    try:
        return read_header(file)
    except FileNotFoundError as error:
        raise broken(index, f"its file {file.name} is missing") from error


def _check_place(index: pathlib.Path, name: str, wanted: str | None, found: str) -> None:
    if wanted is None:
        raise broken(index, f"{found} has a tensor {name!r}, of which the index does not know")
    if wanted != found:
        raise broken(index, f"{name!r} stands in {found}, but the index says {wanted}")


def _aliases(path: pathlib.Path, text: Any, names: Mapping[str, Any]) -> dict[str, str]:
    try:
        aliases = json.loads(text, object_pairs_hook=unique)
    except (TypeError, ValueError, RecursionError) as error:
        raise broken(path, error) from error
    fits = isinstance(aliases, dict) and all(
        isinstance(name, str) and name in names and alias not in names
        for alias, name in aliases.items()
    )
    if not fits:
        raise BrokenFileError(f"{path} has an alias for a tensor that is not there")
    return aliases
