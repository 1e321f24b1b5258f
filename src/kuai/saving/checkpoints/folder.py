"""The folder of a run's checkpoints: names, metrics, what is kept, and what a killed writer left.

A checkpoint is one file. It gets its name after its content is on the disk, so who sees the name
sees the whole checkpoint, and no marker or lock is needed. (Arrays that lie on many devices stand
in a folder beside it, complete before the file gets its name; without the file that folder is
nothing.)

Version 2 has checksums of everything. Version 1, of Kuai 0.1.0, had none; it is read as it was.
"""

from __future__ import annotations

import itertools
import json
import math
import pathlib
import re
import shutil
from typing import Any

from kuai.errors import BrokenFileError, CheckpointError, FileFormatError
from kuai.saving.drafts import remove_all_abandoned
from kuai.saving.safetensors_source import Source, open_source

__all__ = ["KEY", "VERSION", "Folder"]

KEY = "kuai.checkpoint"
_NAME = re.compile(r"step-(\d+)\.safetensors")
_NUMBER = re.compile(r"nan|-?inf|-?\d+(\.\d+)?(e[+-]?\d+)?")
_ARRAYS = re.compile(r"step-(\d+)\.arrays(-again)?(\.orbax-checkpoint-tmp.*)?")
VERSION = 2
_BROKEN = ".broken"  # behind the name of a file that was set aside


def _is_description(found: Any, step: int) -> bool:
    """Whether a file says what every checkpoint says; it cannot name a folder that is not its."""
    if not isinstance(found, dict) or found.get("version") not in (1, 2) or "notes" not in found:
        return False
    arrays, metric = found.get("arrays", ""), found.get("metric", 0)
    return (
        all(isinstance(found.get(key), dict) for key in ("kinds", "state"))
        and isinstance(found.get("checksums", {}), dict)
        and (metric is None or (isinstance(metric, str) and bool(_NUMBER.fullmatch(metric))))
        and arrays in (None, f"step-{step:08d}.arrays", f"step-{step:08d}.arrays-again")
    )


def _free_name(path: pathlib.Path) -> pathlib.Path:
    marks = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (path.with_name(f"{path.name}{_BROKEN}{mark}") for mark in marks)
    return next(name for name in names if not name.exists())


class Folder:
    """Checkpoints of one run by step."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._metrics: dict[int, float | None] = {}

    def file(self, step: int) -> pathlib.Path:
        """The file of a step."""
        return self.path / f"step-{step:08d}.safetensors"

    def new_arrays(self, step: int) -> str:
        """The name of a folder for arrays on several devices; the one in use is not touched."""
        name = f"step-{step:08d}.arrays"
        return f"{name}-again" if self._is_in_use(step, name) else name

    def _is_in_use(self, step: int, arrays: str) -> bool:
        try:
            return self.describe(step)["arrays"] == arrays
        except FileNotFoundError:
            return False
        except FileFormatError:
            return True  # perhaps: what cannot be read is no reason to delete

    def steps(self) -> list[int]:
        """The steps of which there are checkpoints, ascending."""
        names = [path.name for path in self.path.iterdir()]
        found = {int(match[1]) for match in map(_NAME.fullmatch, names) if match}
        return sorted(step for step in found if self.file(step).name in names)

    def open(self, step: int) -> tuple[Source, dict[str, Any]]:
        """The file of a checkpoint, to be closed, and everything in it but the tensors."""
        source = open_source(self.file(step))
        try:
            return source, self._description(step, source)
        except BaseException:
            source.close()
            raise

    def describe(self, step: int) -> dict[str, Any]:
        """Everything but the tensors."""
        source, description = self.open(step)
        source.close()
        return description

    def _description(self, step: int, source: Source) -> dict[str, Any]:
        path = self.file(step)
        text = source.metadata.get(KEY)
        if text is None:
            raise BrokenFileError(f"{path} is not a checkpoint: it holds tensors only")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BrokenFileError(f"{path} is a broken checkpoint: {error}") from error
        if isinstance(found, dict) and type(v := found.get("version")) is int and v > VERSION:
            raise FileFormatError(f"{path} was written by a later version of Kuai")
        if not _is_description(found, step):
            raise BrokenFileError(f"{path} is a broken checkpoint")
        if found["version"] >= 2 and not source.parts[0].header.has_checksums:
            raise BrokenFileError(f"{path} is a broken checkpoint: its checksums are missing")
        return found

    # Which are kept -------------------------------------------------------------------------------

    def forget(self, step: int) -> None:
        """A checkpoint was deleted or written anew: what it was before no longer holds."""
        self._metrics.pop(step, None)
        for path in self.path.glob(f"step-{step:08d}.arrays*"):
            self.drop_unused(path)

    def best(self, mode: str) -> int | None:
        """The step with the best metric; the latest of equals, None if there is no metric."""
        metrics = {step: self._metric(step) for step in self.steps()}
        rated = {s: m for s, m in metrics.items() if m is not None and not math.isnan(m)}
        sign = 1 if mode == "max" else -1
        return max(rated, key=lambda step: (sign * rated[step], step), default=None)

    def _metric(self, step: int) -> float | None:
        if step not in self._metrics:
            try:
                text = self.describe(step)["metric"]
            except (FileFormatError, FileNotFoundError):  # the latter: its writer has deleted it
                return None  # only `restore` of that very step has to complain
            self._metrics[step] = None if text is None else float(text)
        return self._metrics[step]

    def thin_out(self, keep: int | None, mode: str) -> None:
        """Delete all but the last `keep` and the best."""
        if keep is None:
            return
        best = self.best(mode)
        for step in self.steps()[:-keep]:
            if step != best:
                self.delete(step)

    # Deleting -------------------------------------------------------------------------------------

    def delete(self, step: int) -> None:
        """Delete one checkpoint."""
        if not self.file(step).exists():
            raise CheckpointError(f"{self.path} has no checkpoint of step {step}")
        self.file(step).unlink()
        self.forget(step)

    def set_aside(self, step: int) -> None:
        """Give a checkpoint that cannot be read another name."""
        path = self.file(step)
        for part in [*self.path.glob(f"{path.stem}.arrays*"), path]:
            if part.exists() and _BROKEN not in part.name:
                part.rename(_free_name(part))
        self._metrics.pop(step, None)

    def clean(self) -> None:
        """Delete what a killed writer left: files and folders that only Kuai names so."""
        remove_all_abandoned(self.path)
        for path in list(self.path.iterdir()):
            self.drop_unused(path)

    def drop_unused(self, path: pathlib.Path) -> None:
        """Delete a folder of arrays that no checkpoint uses."""
        match = _ARRAYS.fullmatch(path.name)
        if match and path.is_dir() and not self._is_in_use(int(match[1]), path.name):
            shutil.rmtree(path, ignore_errors=True)
