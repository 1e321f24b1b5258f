"""Reading exported programs: nothing of a file is used before it is checked."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import jax
import numpy as np
import safetensors
from jax import export

from kuai.engine.tensor import dtypes, from_array
from kuai.errors import BrokenFileError, UnsafeFileError
from kuai.saving.exports.checks import read_program
from kuai.saving.exports.program import (
    FORMAT,
    MANIFEST,
    PROGRAM,
    VERSION,
    WEIGHTS,
    ExportedProgram,
)
from kuai.saving.kinds import LOOKED_AT, ZIP, kind_of
from kuai.saving.opening import opened
from kuai.saving.refusals import Damaged, Refused, unique

__all__ = ["load_exported"]

_DTYPES = {np.dtype(kind.jax).name: np.dtype(kind.jax) for kind in dtypes.DTYPES}


def load_exported(
    path: str | os.PathLike, *, custom_calls: Collection[str] = ()
) -> ExportedProgram:
    """A program that `kuai.export` wrote, to be called with tensors or arrays.

    The program is read by a process of its own first, and every part of it is checked, so a file
    of a stranger's can do nothing but compute. That may take long, and much memory.

    Args:
        custom_calls: names of compiled code, such as `lapack_sgesdd_ffi`, that the program may
            call. Such code believes what the file tells it: only for files of your own.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/net.zip"
        >>> net = kuai.nn.Linear(2, 1)
        >>> kuai.export(net, kuai.ones(4, 2), path)
        >>> program = kuai.load_exported(path)
        >>> program
        ExportedProgram(Linear: input float32[batch, 2])
        >>> bool((program(kuai.ones(3, 2)) == net(kuai.ones(3, 2))).all())
        True

    Raises:
        BrokenFileError: the file is cut off, changed, or of another kind.
        UnsafeFileError: the program does more than compute.
    """
    with opened(path) as file, _named(path):
        entries = _read_entries(file)
        manifest = _read_manifest(entries)
        weights = _weights(entries[WEIGHTS], manifest)
        program = read_program(entries[PROGRAM], custom_calls)
        _check_weights(program, weights)
    return ExportedProgram(program, {n: from_array(a) for n, a in weights.items()}, manifest)


@contextmanager
def _named(path: str | os.PathLike) -> Iterator[None]:
    """Errors name the file; what damaged bytes make the readers raise is such an error."""
    try:
        yield
    except Refused as error:
        raise UnsafeFileError(f"{os.fspath(path)} was not loaded: {error}") from error
    except (Damaged, zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        raise BrokenFileError(
            f"{os.fspath(path)} is not a program that kuai.export wrote ({error})"
        ) from None  # it may quote the file, without end


def _read_entries(file: BinaryIO) -> dict[str, bytes]:
    """The entries of the archive; none may be larger than the file, and checksums are checked."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(LOOKED_AT)
    if not start.startswith(ZIP):
        raise Damaged(kind_of(start) or "it begins with other bytes than a zip archive")
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise Damaged("an entry is compressed")
        if sum(entry.file_size for entry in entries) > length:
            raise Damaged("its entries are declared larger than the file")
        if not {MANIFEST, PROGRAM, WEIGHTS} <= {entry.filename for entry in entries}:
            raise Damaged("an entry is missing")
        return {entry.filename: archive.read(entry) for entry in entries}


# The manifest -------------------------------------------------------------------------------------


def _read_manifest(entries: dict[str, bytes]) -> dict[str, Any]:
    try:
        found = json.loads(entries[MANIFEST], object_pairs_hook=unique)
    except RecursionError as error:
        raise Damaged("its manifest is nested too deep") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Damaged("its manifest is not one of kuai.export")
    if type(found.get("version")) is not int or found["version"] > VERSION:
        raise Damaged(f"it is of version {found.get('version')}, and {VERSION} is known here")
    lists = [found.get(name) for name in ("inputs", "weights", "outputs")]
    if type(found.get("net")) is not str or not all(map(_are_arrays, lists)):
        raise Damaged("its manifest does not describe a program")
    if not all(type(one.get("name")) is str for one in (*found["inputs"], *found["weights"])):
        raise Damaged("its manifest has inputs or weights without a name")
    return found


def _are_arrays(found: Any) -> bool:
    return isinstance(found, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("shape"), list)
        and all(type(size) in (int, str) for size in one["shape"])
        and type(one.get("dtype")) is str
        for one in found
    )


# The weights --------------------------------------------------------------------------------------


def _weights(content: bytes, manifest: dict[str, Any]) -> dict[str, np.ndarray]:
    """The weights, with dtypes from the manifest: safetensors' NumPy reader has no bfloat16."""
    kinds = {one["name"]: _DTYPES.get(one["dtype"]) for one in manifest["weights"]}
    try:
        entries = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise Damaged(error) from error
    known = all(kind is not None for kind in kinds.values())  # a dtype equals None if it is float64
    if {name for name, _ in entries} != set(kinds) or not known:
        raise Damaged("its manifest describes other weights than there are")
    return {
        name: np.frombuffer(entry["data"], kinds[name]).reshape(entry["shape"])
        for name, entry in entries
    }


def _check_weights(program: export.Exported, weights: dict[str, np.ndarray]) -> None:
    """The program takes a dict of these very weights first."""
    args, _ = jax.tree.unflatten(program.in_tree, program.in_avals)
    wanted = args[0] if isinstance(args, tuple) and args else None
    if not isinstance(wanted, dict) or set(wanted) != set(weights):
        raise Damaged("its program takes other weights than there are")
    for name, array in weights.items():
        aval = wanted[name]
        if getattr(aval, "shape", None) != array.shape or aval.dtype != array.dtype:
            raise Damaged(f"its program takes a weight {name!r} of another size or type")
