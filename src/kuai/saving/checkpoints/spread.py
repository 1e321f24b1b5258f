"""Arrays that lie on several devices or processes, through Orbax.

Every process writes the parts that it holds, and reads the parts that it is to hold, whatever the
division was when they were written. Orbax is an extra, and slow to import: this file is loaded when
such an array is met.
"""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import orbax.checkpoint

__all__ = ["load", "save"]


def save(folder: pathlib.Path, arrays: dict[str, jax.Array]) -> None:
    """Write arrays; the folder is there when all of them are on the disk."""
    with orbax.checkpoint.StandardCheckpointer() as writer:
        writer.save(folder.resolve(), arrays, force=True)
        writer.wait_until_finished()


def load(folder: pathlib.Path, placements: dict[str, Any]) -> dict[str, jax.Array]:
    """Read arrays, each to where `placements` wants it, or to this process's first device."""
    with orbax.checkpoint.StandardCheckpointer() as reader:
        saved = reader.metadata(folder.resolve()).item_metadata.tree
        standard = jax.sharding.SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
        wanted = {
            name: jax.ShapeDtypeStruct(
                entry.shape, entry.dtype, sharding=placements.get(name) or standard
            )
            for name, entry in saved.items()
        }
        return reader.restore(folder.resolve(), wanted)
