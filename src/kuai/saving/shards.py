"""Writing a safetensors checkpoint, in one file or in several with an index.

However it ends, a whole checkpoint is there: the new files get names that no file has yet, the
index that names them takes the place of the old one in one step, and only then the files of the
old checkpoint go.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import re
from collections.abc import Mapping

from kuai.saving.atomic import replacing, write_atomically
from kuai.saving.safetensors_format import Piece, write_pieces
from kuai.saving.safetensors_source import ALIASES, INDEX, SUFFIX, is_index

__all__ = ["bytes_of", "target_files", "write_checkpoint"]

_STANDARD_SIZE = "5GB"
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}


def bytes_of(size: int | str) -> int:
    """A number of bytes, from a number or a text such as "5GB" or "512 MiB".

    Example:
        >>> bytes_of("1.5KB"), bytes_of("2KiB"), bytes_of(7)
        (1500, 2048, 7)
    """
    found = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([a-zA-Z]*)\s*", str(size))
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None or float(found[1]) * unit < 1:
        raise ValueError(f"a size has to be a number of bytes or a text like '5GB', not {size!r}")
    return int(float(found[1]) * unit)


def write_checkpoint(
    path: str | os.PathLike,
    pieces: Mapping[str, Piece],
    aliases: Mapping[str, str],
    metadata: Mapping[str, str],
    max_shard_size: int | str | None = None,
) -> pathlib.Path:
    """Write tensors to a file, or, where a size is given and they are larger, to several.

    Returns:
        The file, or the index.
    """
    aliases_text = {ALIASES: json.dumps(dict(aliases), ensure_ascii=False)} if aliases else {}
    if max_shard_size is None and not is_index(path) and not os.path.isdir(path):
        _write_file(pathlib.Path(path), pieces, {**metadata, **aliases_text})
        return pathlib.Path(path)
    limit = bytes_of(max_shard_size or _STANDARD_SIZE)
    single, index = target_files(path)
    groups = _groups(pieces, limit)
    if len(groups) == 1 and not is_index(path):
        _write_file(single, pieces, {**metadata, **aliases_text})
        written, made = {single.name}, single
    else:
        made = index
        written = _write_shards(index, pieces, groups, metadata, aliases_text)
    _remove_others(index, written)
    return made


def target_files(path: str | os.PathLike) -> tuple[pathlib.Path, pathlib.Path]:
    """The single file and the index that a checkpoint at this path may consist of."""
    path = pathlib.Path(path)
    path = path / f"model{SUFFIX}" if path.is_dir() else path
    for ending in (INDEX, SUFFIX):
        if path.name.endswith(ending):
            stem = path.name.removesuffix(ending)
            return path.with_name(stem + SUFFIX), path.with_name(stem + INDEX)
    raise ValueError(
        f"{path} has to be a folder or end in {SUFFIX} or {INDEX} to be written in several files"
    )


def _write_file(path: pathlib.Path, pieces: Mapping[str, Piece], metadata: dict) -> None:
    with replacing(path) as file:
        write_pieces(file, pieces, metadata)


def _groups(pieces: Mapping[str, Piece], limit: int) -> list[list[str]]:
    """The names, in order, in groups of at most that many bytes, or of one tensor."""
    groups: list[list[str]] = [[]]
    filled = 0
    for name, piece in pieces.items():
        if groups[-1] and filled + piece.size > limit:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += piece.size
    return groups


def _write_shards(
    index: pathlib.Path,
    pieces: Mapping[str, Piece],
    groups: list[list[str]],
    metadata: Mapping[str, str],
    aliases_text: dict[str, str],
) -> set[str]:
    names = _free_names(index, len(groups))
    written = []
    try:
        for name, group in zip(names, groups, strict=True):
            _write_file(index.with_name(name), {key: pieces[key] for key in group}, dict(metadata))
            written.append(name)
        write_atomically(index, _index_text(pieces, names, groups, aliases_text))
    except BaseException:
        for name in written:
            index.with_name(name).unlink(missing_ok=True)
        raise
    return {index.name, *names}


def _index_text(
    pieces: Mapping[str, Piece], names: list[str], groups: list[list[str]], strings: dict[str, str]
) -> bytes:
    total = sum(piece.size for piece in pieces.values())
    pairs = zip(names, groups, strict=True)
    weights = {name: file for file, group in pairs for name in group}
    found = {"metadata": {"total_size": total, **strings}, "weight_map": weights}
    return (json.dumps(found, ensure_ascii=False, indent=2) + "\n").encode()


def _free_names(index: pathlib.Path, count: int) -> list[str]:
    """Names of files that are not there: the usual ones, or else those of a further version."""
    stem = index.name.removesuffix(INDEX)
    for version in itertools.count(1):
        mark = "" if version == 1 else f"-v{version}"
        names = [f"{stem}{mark}-{k:05}-of-{count:05}{SUFFIX}" for k in range(1, count + 1)]
        if not any(os.path.lexists(index.with_name(name)) for name in names):
            return names
    raise AssertionError


def _remove_others(index: pathlib.Path, written: set[str]) -> None:
    """Remove the files of an earlier checkpoint of this name, and what a killed save has left."""
    stem = re.escape(index.name.removesuffix(INDEX))
    shard = rf"(-v\d+)?-\d{{5}}-of-\d{{5}}{re.escape(SUFFIX)}"
    name = rf"{stem}({shard}|{re.escape(SUFFIX)}|{re.escape(INDEX)})"
    pattern = re.compile(rf"{name}|\.{name}\.[a-z0-9_]{{8}}")  # the latter made by `replacing`
    stale = [name for name in os.listdir(index.parent) if pattern.fullmatch(name)]
    for name in sorted(set(stale) - written, key=lambda name: not name.endswith(INDEX)):
        index.with_name(name).unlink(missing_ok=True)
