"""Arrays that lie on several devices stand in a folder beside the file, written by Orbax."""

from __future__ import annotations

import importlib
import pathlib
import zlib
from typing import Any

import jax
import numpy as np

from kuai.errors import BrokenFileError, CheckpointError

__all__ = ["checksums_of", "load_arrays", "save_arrays"]

_BROKEN = (AttributeError, IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError)


def save_arrays(folder: pathlib.Path, arrays: dict[str, jax.Array]) -> None:
    """Write arrays; the folder is there when all of them are on the disk."""
    _orbax().save(folder, arrays)


def load_arrays(
    folder: pathlib.Path, placements: dict[str, Any], checksums: dict[str, int]
) -> dict[str, jax.Array]:
    """Read arrays to where they are wanted, and compare them with their checksums."""
    orbax = _orbax()
    try:
        arrays = orbax.load(folder, placements)
    except _BROKEN as error:  # what its libraries happen to raise
        reason = " ".join(str(error).split())
        raise BrokenFileError(f"{folder} cannot be read: {reason}") from error
    for name, checksum in checksums_of(arrays).items():
        if checksums.get(name, checksum) != checksum:
            raise BrokenFileError(f"{folder} is broken: {name} does not have its checksum")
    return arrays


def checksums_of(arrays: dict[str, jax.Array]) -> dict[str, int]:
    """The CRC-32 of each array that this process has the whole of."""
    return {
        name: zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        for name, array in arrays.items()
        if array.is_fully_addressable
    }


def _orbax() -> Any:
    try:
        return importlib.import_module("kuai.saving.checkpoints.spread")
    except ImportError as error:
        raise CheckpointError(
            "an array lies on several devices; saving and restoring it needs Orbax: "
            "pip install 'kuai-nn[orbax]'"
        ) from error
