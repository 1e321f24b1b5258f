"""The folder of a run: who is in it already, and that one process at a time trains there."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kuai.errors import FileFormatError, OccupiedFolderError
from kuai.saving import Checkpointer
from kuai.saving.locks import lock_file, remove_locked

__all__ = ["CHECKPOINTS", "claimed", "occupant"]

CHECKPOINTS = "checkpoints"
_LOCK = ".kuai-run.lock"
_FILES = ("model.safetensors", "metrics.jsonl", "curves.png", "checkpoint.safetensors")


@contextmanager
def claimed(folder: pathlib.Path) -> Iterator[None]:
    """Keep other runs out of a folder. A process that dies keeps nobody out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK
    file = lock_file(path)
    if file is None:
        raise OccupiedFolderError(
            f"{folder} has a run that is going on{_number(path)}. Stop it (Ctrl-C saves it), or "
            "train in another folder (--out, or folder=)"
        )
    with file:
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        try:
            yield
        finally:
            remove_locked(file, path)


def _number(path: pathlib.Path) -> str:
    try:
        text = path.read_bytes()[:20].decode()
    except (OSError, UnicodeDecodeError):
        return ""
    return f" (process {text})" if text.isdecimal() else ""


def occupant(folder: pathlib.Path) -> str | None:
    """What a new run in a folder would overwrite, in words; None if nothing."""
    if (folder / CHECKPOINTS).is_dir():
        checkpoints = Checkpointer(folder / CHECKPOINTS)
        if checkpoints.steps():
            return _run_in_words(checkpoints)
    found = [name for name in _FILES if (folder / name).exists()]
    return f"the files of a run ({', '.join(found)})" if found else None


def _run_in_words(checkpoints: Checkpointer) -> str:
    try:
        notes: Any = checkpoints.notes()
        done, wanted = notes["epochs_done"], notes["settings"]["epochs"]
    except (FileFormatError, KeyError, TypeError):
        return "a run"  # of an earlier version, or one that cannot be read
    if done == wanted:
        return f"a finished run ({done} of {wanted} epochs)"
    return f"a run that was stopped ({done} of {wanted} epochs)"
