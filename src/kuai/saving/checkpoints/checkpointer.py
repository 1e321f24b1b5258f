"""Checkpointer: saves a run again and again, and takes it up where it was.

Design. A checkpoint is one safetensors file that appears by a rename: tensors under names any tool
can read (`model.0.weight`), everything else as JSON in its metadata. One file rather than a folder
of them, because then no moment exists at which a checkpoint is half there.

State is asked for by protocol (`state_dict`), never listed by kind, and whatever cannot be written
is an error that names it. What is registered and what a file holds must agree both ways.

`save` holds on to the immutable arrays of this moment and returns; a thread writes them. There is
one such thread at most, so checkpoints never pile up in memory.

`restore` reads through one open file, whatever the writer beside it does to the name, and compares
everything with its checksum before any object is touched. Without a step it takes the latest
checkpoint that is whole, and says so if that is not the latest one.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import jax

from kuai.engine.tensor import modes
from kuai.errors import (
    BrokenFileError,
    CheckpointError,
    CheckpointWarning,
    CheckpointWriteError,
    DataDependentError,
    UnsafeFileError,
)
from kuai.saving.checkpoints.arrays import checksums_of, load_arrays, save_arrays
from kuai.saving.checkpoints.background import background_of
from kuai.saving.checkpoints.folder import KEY, VERSION, Folder
from kuai.saving.checkpoints.holders import (
    RandomState,
    check_holder,
    kind_of,
    read_state,
    write_state,
)
from kuai.saving.checkpoints.tree import Snapshot, State
from kuai.saving.opening import given_path
from kuai.saving.refusals import Refused
from kuai.saving.safetensors_file import tensors_of, write_tensors
from kuai.saving.safetensors_source import Source

__all__ = ["Checkpointer"]

_MODES = ("max", "min")
_DOES_NOT_FIT = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class Checkpointer:
    """Save everything a run needs to go on exactly as if it had never stopped.

    Args:
        folder: where the checkpoints are; one run writes to it at a time.
        keep: how many of the last checkpoints are kept besides the best one; None keeps all.
        mode: whether the best `metric` is the largest ("max") or the smallest ("min").
        asynchronous: write in a thread while training goes on.
        python_random: include the states of Python's `random` and NumPy's `np.random`.
        objects: what is saved, under names of your choice: anything with `state_dict` and
            `load_state_dict` (module, optimizer, scheduler, `DataLoader`, your own class), random
            generators, tensors, lists, dicts. Kuai's random generators are always included.

    Example:
        >>> import tempfile
        >>> net = kuai.nn.Linear(2, 1)
        >>> optimizer = kuai.optim.Adam(net.parameters())
        >>> history = []
        >>> checkpoints = kuai.Checkpointer(
        ...     tempfile.mkdtemp(), keep=2, model=net, optimizer=optimizer, history=history
        ... )
        >>> first = (checkpoints.restore() or 0) + 1
        >>> for step in range(first, 5):
        ...     loss = (net(kuai.ones(4, 2)) ** 2).mean()
        ...     optimizer.zero_grad(); loss.backward(); optimizer.step()
        ...     history.append(step)
        ...     _ = checkpoints.save(step, metric=step % 3)
        >>> checkpoints.steps(), checkpoints.latest, checkpoints.best
        ([2, 3, 4], 4, 2)
        >>> checkpoints.restore(2), history
        (2, [1, 2])
        >>> checkpoints.close()

    As a context manager it waits for the last checkpoint at the end of the block.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        keep: int | None = 3,
        *,
        mode: str = "max",
        asynchronous: bool = True,
        python_random: bool = True,
        **objects: Any,
    ) -> None:
        if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 1):
            raise ValueError(f"keep must be at least 1, or None to keep all, not {keep!r}")
        if mode not in _MODES:
            raise ValueError(f"mode must be 'max' or 'min', not {mode!r}")
        if "random" in objects:
            raise ValueError("the name 'random' is taken: random generators are always included")
        for name, thing in objects.items():
            check_holder(name, thing)
        self.folder = given_path(folder)
        self.keep = keep
        self.mode = mode
        self.asynchronous = asynchronous
        self.objects = {**objects, "random": RandomState(python_random)}
        self._files = Folder(self.folder)
        self._background = background_of(self.folder)
        self._cleaned = False
        self._broken: dict[int, BrokenFileError] = {}  # steps that another was taken instead of
        self._is_latest_whole = False  # as far as we know

    # Saving ---------------------------------------------------------------------------------------

    def save(
        self, step: int, *, metric: Any = None, notes: Any = None, overwrite: bool = False
    ) -> pathlib.Path:
        """Save everything as it is now, as the checkpoint of `step`.

        Args:
            step: a number that grows during the run.
            metric: how good the model is now, to know the best checkpoint.
            notes: numbers, strings, and lists and dicts of them, to be read with `notes(step)`.
            overwrite: begin a new run here: all other checkpoints in the folder are deleted when
                this one is on the disk.

        Returns:
            The checkpoint's file. Under `asynchronous=True` it is there after `wait()`; an error is
            raised by the next call.
        """
        if modes.state.capture is not None:
            raise DataDependentError("Saving a checkpoint")
        self.wait()
        self._check_step(step, overwrite)
        snapshot = Snapshot({name: read_state(thing) for name, thing in self.objects.items()})
        description = {
            "version": VERSION,
            "step": step,
            "metric": None if metric is None else repr(float(metric)),
            "notes": _plain(notes),
            "kinds": {name: kind_of(thing) for name, thing in self.objects.items()},
            "arrays": self._files.new_arrays(step) if snapshot.spread else None,
            "checksums": checksums_of(snapshot.spread),
            "state": snapshot.tree,
        }
        # processes that write together talk to each other, and must not do so from two threads
        together = bool(snapshot.spread) and jax.process_count() > 1
        if self.asynchronous and not together:
            self._background.start(lambda: self._write(description, snapshot, overwrite))
        else:
            self._write(description, snapshot, overwrite)
        return self._files.file(step)

    def _check_step(self, step: Any, overwrite: bool) -> None:
        if not isinstance(step, int) or isinstance(step, bool) or step < 0:
            raise ValueError(f"step must be a whole number, 0 or more, not {step!r}")
        newer = [s for s in self._files.steps() if s > step and s not in self._broken]
        if newer and not overwrite:
            raise CheckpointError(
                f"{self.folder} has checkpoints later than step {step} ({_list(newer)}), which "
                "restore() would prefer. To go on with that run, call restore() first; to go on "
                "from an earlier step, delete(...) the later ones; a new run needs another folder, "
                "or save(..., overwrite=True)."
            )

    def _write(self, description: dict[str, Any], snapshot: Snapshot, overwrite: bool) -> None:
        """Bring a checkpoint to the disk; only then delete older ones."""
        step, first = description["step"], jax.process_index() == 0
        try:
            self._write_files(description, snapshot, first)
        except OSError as error:
            raise self._explained(step, error) from error
        if first:
            self._files.forget(step)
            self._make_room(step, overwrite)

    def _make_room(self, step: int, overwrite: bool) -> None:
        for broken in self._broken:
            if broken != step:
                self._files.set_aside(broken)
        self._broken = {}
        if not overwrite:
            return self._files.thin_out(self.keep, self.mode)
        for other in self._files.steps():  # ascending: until the last one goes, there is that run
            if other != step:
                self._files.delete(other)

    def _write_files(self, description: dict[str, Any], snapshot: Snapshot, first: bool) -> None:
        if first and not self._cleaned:
            self._files.clean()
            if self._is_latest_whole:  # a kill may have come before that
                self._files.thin_out(self.keep, self.mode)
            self._cleaned = True
        if snapshot.spread:
            save_arrays(self.folder / description["arrays"], snapshot.spread)
        if first:
            text = json.dumps(description, allow_nan=False)
            path = self._files.file(description["step"])
            write_tensors(snapshot.tensors, path, {KEY: text}, checksums=True)

    def _explained(self, step: int, error: OSError) -> CheckpointWriteError:
        try:
            free = f" ({shutil.disk_usage(self.folder).free / 1e6:,.0f} MB free)"
            there = f"The checkpoints before it are whole: {_list(self._files.steps())}."
        except OSError:
            free, there = "", "The folder cannot be read either."
        reason = error.strerror or str(error)
        text = f"the checkpoint of step {step} could not be written: {reason}{free}. {there}"
        return CheckpointWriteError(error.errno or 0, text, str(self.folder))

    # Restoring ------------------------------------------------------------------------------------

    def restore(self, step: int | None = None, *, strict: bool = True) -> int | None:
        """Put the objects into the state of a checkpoint, by default the latest.

        If the latest is broken, the one before is taken, with a `CheckpointWarning`; the next
        `save` sets the broken one aside.

        Args:
            step: one of `steps()`, for example `best`.
            strict: every object must be in the checkpoint and the other way round, of the same
                class, and every name in a module; otherwise what is on both sides is restored.

        Returns:
            The step, or None if there is no checkpoint yet.

        Raises:
            CheckpointError: naming what does not fit. What was taken before that stays.
            BrokenFileError: the file has been changed.
        """
        taken, _ = self._of(step, lambda step: self._restore(step, strict))
        self._is_latest_whole = step is None and not self._broken
        return taken

    def _of(self, step: int | None, read: Callable[[int], Any]) -> tuple[int | None, Any]:
        """A step and what `read` makes of it: the given one, or the latest that is whole."""
        steps = self.steps()
        if step is None:
            return self._of_latest(read)
        if step not in steps:
            there = _list(steps) if steps else "none"
            raise CheckpointError(
                f"{self.folder} has no checkpoint of step {step!r}; there are: {there}"
            )
        return step, read(step)

    def _of_latest(self, read: Callable[[int], Any]) -> tuple[int | None, Any]:
        broken: dict[int, BrokenFileError] = {}
        while left := [step for step in self.steps() if step not in broken]:
            step = left[-1]
            try:
                found = read(step)
            except (BrokenFileError, FileNotFoundError) as error:
                if step not in self._files.steps():
                    continue  # its writer has deleted it, as a later one is there
                if not isinstance(error, BrokenFileError):
                    raise
                broken[step] = error
            else:
                self._tell(broken, step)
                return step, found
        if broken:
            raise broken[max(broken)]
        return None, None

    def _tell(self, broken: dict[int, BrokenFileError], taken: int) -> None:
        self._broken = broken
        for step, error in broken.items():
            text = f"{error}; the checkpoint of step {taken} is taken instead of that of {step}"
            warnings.warn(text, CheckpointWarning, stacklevel=5)

    def _restore(self, step: int, strict: bool) -> None:
        source, description = self._files.open(step)
        with source:
            if strict:
                self._compare(step, description["kinds"])
            state = self._read(description, source)
        names = [name for name in self.objects if name in description["state"]]
        decoded = {name: self._decode(step, name, state, description["state"]) for name in names}
        for name in names:
            self._give(step, name, decoded[name], strict)

    def _compare(self, step: int, saved: dict[str, str | None]) -> None:
        own = {name: kind_of(thing) for name, thing in self.objects.items()}
        problems = [f"it has no {name!r}" for name in own if name not in saved]
        problems += [f"nothing here takes its {name!r}" for name in saved if name not in own]
        problems += [
            f"its {name!r} is of a {saved[name]}, not of a {own[name]}"
            for name in own
            if name in saved and saved[name] != own[name]
        ]
        if problems:
            raise CheckpointError(
                f"{self._files.file(step)} does not fit: {'; '.join(problems)}. Nothing was "
                "restored. restore(strict=False) restores what is on both sides."
            )

    def _read(self, description: dict[str, Any], source: Source) -> State:
        # where arrays lie now says where the saved ones are to go
        states = {name: read_state(thing) for name, thing in self.objects.items()}
        here = Snapshot(states, lazy=True)
        spread = {}
        if description["arrays"]:
            folder = self.folder / description["arrays"]
            spread = load_arrays(folder, here.placements, description.get("checksums", {}))
        return State(tensors_of(source, "cpu"), spread, here.placements)

    def _decode(self, step: int, name: str, state: State, trees: dict[str, Any]) -> Any:
        try:
            return state.decode(trees[name])
        except Refused as error:
            path = self._files.file(step)
            raise UnsafeFileError(f"{path} was not loaded: {name}: {error}") from error
        except _DOES_NOT_FIT as error:
            path = self._files.file(step)
            raise BrokenFileError(f"{path} is a broken checkpoint: {name}: {error!r}") from error

    def _give(self, step: int, name: str, decoded: Any, strict: bool) -> None:
        try:
            write_state(self.objects[name], decoded, strict)
        except _DOES_NOT_FIT as error:
            path, reason = self._files.file(step), " ".join(str(error).split())
            raise CheckpointError(
                f"{name} does not take its state from {path}: {reason}"
            ) from error

    # What is there --------------------------------------------------------------------------------

    def steps(self) -> list[int]:
        """The steps that can be restored, ascending; a checkpoint being written is waited for."""
        self.wait()
        return self._files.steps()

    @property
    def latest(self) -> int | None:
        """The last step that can be restored, or None."""
        return max(self.steps(), default=None)

    @property
    def best(self) -> int | None:
        """The step with the best metric, or None."""
        self.wait()
        return self._files.best(self.mode)

    def notes(self, step: int | None = None) -> Any:
        """What was noted in a checkpoint, by default in the latest; nothing is restored."""
        return self._of(step, lambda step: self._files.describe(step)["notes"])[1]

    def path(self, step: int) -> pathlib.Path:
        """The file of a step: a safetensors file with the model's tensors under `model.…`."""
        return self._files.file(step)

    def delete(self, step: int) -> None:
        """Delete the checkpoint of a step."""
        self.wait()
        self._files.delete(step)

    # The end --------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Wait until the last checkpoint is on the disk; raise the error if it could not be."""
        self._background.wait()

    close = wait

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(name for name in self.objects if name != "random")
        steps = _list(self._files.steps()) or "none"
        writing = ", writing" if self._background.busy else ""
        kept = "all" if self.keep is None else self.keep
        return f"Checkpointer({str(self.folder)!r}, keep={kept}: {names}; steps {steps}{writing})"


def _plain(notes: Any) -> Any:
    try:
        return json.loads(json.dumps(notes, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"notes must be numbers, strings, None, and lists and dicts of them: {error}"
        ) from error


def _list(steps: list[int]) -> str:
    few = steps if len(steps) <= 6 else [*steps[:2], "…", *steps[-3:]]
    return ", ".join(map(str, few))
