"""Where the tensors of a safetensors checkpoint stand: in one file, or in several with an index.

Hubs publish large models as `model-00001-of-00003.safetensors`, … and an index file,
`model.safetensors.index.json` (see `indexes`). Its `total_size` is not used: published ones are
often wrong.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kuai.errors import BrokenFileError, FileFormatError
from kuai.saving.indexes import check_names, read_index
from kuai.saving.opening import given_path
from kuai.saving.refusals import unique
from kuai.saving.safetensors_format import Entry, Header, broken, read_header

__all__ = ["ALIASES", "INDEX", "SUFFIX", "Source", "is_index", "read_source"]

SUFFIX = ".safetensors"
INDEX = ".safetensors.index.json"
ALIASES = "kuai.aliases"  # in the metadata: {other name: first name} of tied tensors, as JSON
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
    path = given_path(path)
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
    index = read_index(path, SUFFIX)
    headers = {file: read_header(file) for file in index.files}
    check_names(index, {file.name: header.entries for file, header in headers.items()})
    entries = {
        name: (file, entry)
        for file, header in headers.items()
        for name, entry in header.entries.items()
    }
    aliases = _aliases(path, index.metadata.get(ALIASES, "{}"), entries)
    metadata = next(iter(headers.values())).metadata if headers else {}
    return Source(headers, entries, aliases, dict(metadata))


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
