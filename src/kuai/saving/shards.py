"""Writing a safetensors checkpoint, in one file or in several with an index.

However it ends, a whole checkpoint is there: the new files get names that no file has yet and no
index names, the index that names them takes the place of the old one in one step, and only then the
files that the old index named go; no others (see `journal`). Index and files say to which save
they belong, so that a mixture of two is noticed. That is a checksum of everything: the same objects
give the same files.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pathlib
import re
import zlib
from collections.abc import Mapping

from kuai.saving.atomic import replacing, write_atomically
from kuai.saving.drafts import remove_all_abandoned
from kuai.saving.indexes import named_files
from kuai.saving.journal import Journal, journal_of
from kuai.saving.opening import given_path
from kuai.saving.places import naming
from kuai.saving.safetensors_format import CODE_OF_DTYPE, SAVE, Piece, write_pieces
from kuai.saving.safetensors_source import ALIASES, INDEX, SUFFIX, is_index

__all__ = ["bytes_of", "is_in_several", "target_files", "write_checkpoint"]

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
    checksums: bool = False,
) -> pathlib.Path:
    """Write tensors to a file, or, where a size is given and they are larger, to several.

    Args:
        checksums: put checksums into the header of the one file.

    Returns:
        The file, or the index.
    """
    path = given_path(path)
    aliases_text = {ALIASES: json.dumps(dict(aliases), ensure_ascii=False)} if aliases else {}
    strings = {**metadata, **aliases_text}
    if _is_one_name(path, max_shard_size):
        _write_file(path, pieces, strings, checksums)
        return path
    single, index = target_files(path)
    with naming(str(path)):
        remove_all_abandoned(index.parent)
    with journal_of(index) as journal:
        if not is_in_several(path, pieces, max_shard_size):
            journal.begin_single(single)
            _write_file(single, pieces, strings, checksums, like=index)
            return single
        groups = _groups(pieces, bytes_of(max_shard_size or _STANDARD_SIZE))
        taken_over = None if is_index(path) else single
        _write_shards(journal, pieces, groups, metadata, aliases_text, taken_over)
        return index


def is_in_several(
    path: str | os.PathLike, pieces: Mapping[str, Piece], max_shard_size: int | str | None
) -> bool:
    """Whether `write_checkpoint` makes an index, and so reads every tensor twice."""
    if _is_one_name(path, max_shard_size):
        return False
    return is_index(path) or len(_groups(pieces, bytes_of(max_shard_size or _STANDARD_SIZE))) > 1


def _is_one_name(path: str | os.PathLike, max_shard_size: int | str | None) -> bool:
    return max_shard_size is None and not is_index(path) and not os.path.isdir(path)


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


def _write_file(
    path: pathlib.Path,
    pieces: Mapping[str, Piece],
    metadata: Mapping[str, str],
    checksums: bool = False,
    exclusive: bool = False,
    like: pathlib.Path | None = None,
) -> None:
    with replacing(path, exclusive=exclusive, like=like) as file:
        write_pieces(file, pieces, metadata, checksums)


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
    journal: Journal,
    pieces: Mapping[str, Piece],
    groups: list[list[str]],
    metadata: Mapping[str, str],
    aliases_text: dict[str, str],
    single: pathlib.Path | None,
) -> None:
    save = {SAVE: _save_of(pieces, {**metadata, **aliases_text})}
    names = _free_names(journal.index, len(groups))
    journal.begin_several(save[SAVE], names, single)
    like = single if single and single.exists() else journal.index
    for name, group in zip(names, groups, strict=True):
        part = {key: pieces[key] for key in group}
        path = journal.index.with_name(name)
        _write_file(path, part, {**metadata, **save}, exclusive=True, like=like)
    text = _index_text(pieces, names, groups, {**aliases_text, **save})
    write_atomically(journal.index, text, like=like)


def _save_of(pieces: Mapping[str, Piece], strings: Mapping[str, str]) -> str:
    """A short text that is another one for other content."""
    found = hashlib.blake2b(json.dumps(strings).encode(), digest_size=16)
    for name, piece in pieces.items():
        checksum = zlib.crc32(piece.read())
        found.update(json.dumps([name, CODE_OF_DTYPE[piece.kind], piece.shape, checksum]).encode())
    return found.hexdigest()


def _index_text(
    pieces: Mapping[str, Piece], names: list[str], groups: list[list[str]], strings: dict[str, str]
) -> bytes:
    total = sum(piece.size for piece in pieces.values())
    pairs = zip(names, groups, strict=True)
    weights = {name: file for file, group in pairs for name in group}
    found = {"metadata": {"total_size": total, **strings}, "weight_map": weights}
    return (json.dumps(found, ensure_ascii=False, indent=2) + "\n").encode()


def _free_names(index: pathlib.Path, count: int) -> list[str]:
    """Names that no file has and no index gives: the usual ones, or those of a further version."""
    stem = index.name.removesuffix(INDEX)
    named = named_files(index.parent, INDEX) or set()
    for version in itertools.count(1):
        mark = "" if version == 1 else f"-v{version}"
        names = [f"{stem}{mark}-{k:05}-of-{count:05}{SUFFIX}" for k in range(1, count + 1)]
        if not any(name in named or os.path.lexists(index.with_name(name)) for name in names):
            return names
    raise AssertionError
