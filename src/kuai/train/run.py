"""One run of `kuai train lenet`: from settings to the files in its folder.

metrics.jsonl      one line an epoch; no times in it, so equal runs give equal files
curves.png         loss and accuracy by epoch
model.safetensors  the weights
checkpoints/       everything needed to go on: the last epochs and the best
"""

from __future__ import annotations

import errno
import json
import pathlib
from dataclasses import asdict, dataclass
from typing import Any

from kuai.data import DataLoader, TensorDataset
from kuai.engine.tensor.randomness import Generator, manual_seed
from kuai.errors import OccupiedFolderError
from kuai.optim import SGD
from kuai.optim.lr_scheduler import CosineAnnealingLR
from kuai.saving import BrokenFileError, Checkpointer, save_file, write_atomically
from kuai.train.curves import draw_curves
from kuai.train.loop import Trainer
from kuai.train.occupied import CHECKPOINTS, claimed, occupant
from kuai.train.progress import RunProgress
from kuai.train.stopping import StopRequest
from kuai.vision.digits import load_digits
from kuai.vision.models import LeNet

__all__ = ["CHECKPOINTS", "Settings", "saved_settings", "train_lenet"]

_OLD_CHECKPOINT = "checkpoint.safetensors"
_KEEP = 2
_MOMENTUM, _WEIGHT_DECAY = 0.9, 5e-4
_TEST_BATCH = 360


@dataclass(frozen=True)
class Settings:
    """What decides the result of a run."""

    data: str = "digits"
    epochs: int = 20
    batch_size: int = 32
    lr: float = 0.05
    seed: int = 0
    device: str = "cpu"
    compiled: bool = True


def saved_settings(folder: pathlib.Path) -> Settings:
    """The settings of the run in a folder."""
    if (folder / CHECKPOINTS).is_dir():
        checkpoints = Checkpointer(folder / CHECKPOINTS)
        if checkpoints.latest is not None:
            return _settings(folder, checkpoints.notes())
    if (folder / _OLD_CHECKPOINT).is_file():
        raise BrokenFileError(
            f"{folder / _OLD_CHECKPOINT} was written by an earlier version of Kuai, which kept "
            "checkpoints in another form; go on with that version, or begin a new run"
        )
    raise FileNotFoundError(errno.ENOENT, "No such file: no checkpoint to go on from", str(folder))


def _settings(folder: pathlib.Path, notes: Any) -> Settings:
    try:
        return Settings(**notes["settings"])
    except (KeyError, TypeError) as error:
        raise BrokenFileError(f"{folder / CHECKPOINTS} holds no run of `kuai train`") from error


def train_lenet(
    settings: Settings, folder: pathlib.Path, resume: bool = False, overwrite: bool = False
) -> list | None:
    """Train LeNet, or go on with the run in `folder`.

    Args:
        resume: go on with the run in the folder.
        overwrite: take the place of whatever run is in the folder.

    Returns:
        The numbers of every epoch, or None if the run was stopped with Ctrl-C.

    Raises:
        OccupiedFolderError: there is a run in the folder, and it is not said what becomes of it;
            or one is going on there.
    """
    with claimed(folder):
        if not resume and not overwrite:
            _check_free(folder)
        return _train(settings, folder, resume)


def _check_free(folder: pathlib.Path) -> None:
    there = occupant(folder)
    if there is not None:
        raise OccupiedFolderError(
            f"{folder} has {there}. Go on with it (--resume, or resume=True), train in another "
            "folder (--out, or folder=), or have its place taken (--overwrite, or overwrite=True)"
        )


def _train(settings: Settings, folder: pathlib.Path, resume: bool) -> list | None:
    trainer = make_trainer(settings)
    history: list[dict[str, Any]] = []
    with _checkpoints(folder, trainer, history) as checkpoints:
        run = _Run(settings, folder, trainer, history, checkpoints)
        if resume:
            checkpoints.restore()
        else:
            run.begin()
        if not run.train():
            return None
    draw_curves(history, folder / "curves.png")
    return history


def _checkpoints(folder: pathlib.Path, trainer: Trainer, history: list) -> Checkpointer:
    return Checkpointer(
        folder / CHECKPOINTS,
        keep=_KEEP,
        python_random=False,  # nothing here draws from it; equal runs give equal files
        history=history,
        **trainer.parts(),
    )


@dataclass
class _Run:
    """A run that goes on until its last epoch is done or someone stops it."""

    settings: Settings
    folder: pathlib.Path
    trainer: Trainer
    history: list[dict[str, Any]]
    checkpoints: Checkpointer

    def begin(self) -> None:
        """Take the place of an earlier run in this folder, which goes when the new one is there."""
        self._save_checkpoint(overwrite=True)
        self.checkpoints.wait()  # now, not after an hour, if it cannot be done
        (self.folder / "curves.png").unlink(missing_ok=True)
        self._save_results()

    def train(self) -> bool:
        """Train; False if it was stopped."""
        with StopRequest() as stop, _progress(self.trainer, self.settings) as progress:

            def after_batch(size: int) -> bool:
                progress.batch_done(size, self.trainer.meter)
                return stop.wanted

            while self.trainer.batches.epoch < self.settings.epochs:
                progress.begin_epoch(self.trainer.batches.epoch + 1)
                numbers = None if stop.wanted else self.trainer.run_epoch(after_batch)
                if numbers is not None:
                    self.history.append(numbers)
                    progress.epoch_done(numbers)
                self.save()
                if numbers is None:
                    return False
        return True

    def save(self) -> None:
        """Write the files of the run as it is now."""
        self._save_results()
        self._save_checkpoint()

    def _save_results(self) -> None:
        lines = "".join(json.dumps(numbers) + "\n" for numbers in self.history)
        write_atomically(self.folder / "metrics.jsonl", lines.encode())
        save_file(self.trainer.model.state_dict(), self.folder / "model.safetensors")

    def _save_checkpoint(self, overwrite: bool = False) -> None:
        batches = self.trainer.batches
        self.checkpoints.save(
            batches.epoch * len(batches) + batches.in_epoch,
            metric=self.history[-1]["test_accuracy"] if self.history else None,
            notes={"settings": asdict(self.settings), "epochs_done": len(self.history)},
            overwrite=overwrite,
        )


def make_trainer(settings: Settings) -> Trainer:
    """Data, model and optimizer for these settings."""
    manual_seed(settings.seed)
    source = None if settings.data == "digits" else settings.data
    train, test = load_digits(source, device=settings.device)
    model = LeNet().to(settings.device)
    optimizer = SGD(model.parameters(), settings.lr, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY)
    return Trainer(
        model,
        optimizer,
        CosineAnnealingLR(optimizer, T_max=settings.epochs),
        _training_batches(train, settings),
        DataLoader(test, batch_size=_TEST_BATCH),
        compiled=settings.compiled,
    )


def _training_batches(train: TensorDataset, settings: Settings) -> DataLoader:
    return DataLoader(
        train,
        batch_size=min(settings.batch_size, len(train)),
        shuffle=True,
        drop_last=True,  # a shorter batch would be a second program; its samples come next time
        generator=Generator().manual_seed(settings.seed),
    )


def _progress(trainer: Trainer, settings: Settings) -> RunProgress:
    batches = trainer.batches
    done = batches.epoch * len(batches) + batches.in_epoch
    size = batches.batch_size or 1  # None stands for single samples
    return RunProgress(settings.epochs, len(batches) * size, done * size)
