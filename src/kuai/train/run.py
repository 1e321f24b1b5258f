"""One run of `kuai train lenet`: from settings to the files in its folder.

metrics.jsonl           one line an epoch; no times in it, so equal runs give equal files
curves.png              loss and accuracy by epoch
model.safetensors       the weights
checkpoint.safetensors  everything needed to go on
"""

from __future__ import annotations

import json
import pathlib
from dataclasses import asdict, dataclass
from typing import Any

from kuai.data import DataLoader, TensorDataset
from kuai.engine.randomness import Generator, manual_seed
from kuai.optim import SGD
from kuai.optim.lr_scheduler import CosineAnnealingLR
from kuai.saving import save_file, write_atomically
from kuai.train.checkpoint import load_checkpoint, read_notes, save_checkpoint
from kuai.train.curves import draw_curves
from kuai.train.loop import Trainer
from kuai.train.progress import RunProgress
from kuai.train.stopping import StopRequest
from kuai.vision.digits import load_digits
from kuai.vision.models import LeNet

__all__ = ["CHECKPOINT", "Settings", "saved_settings", "train_lenet"]

CHECKPOINT = "checkpoint.safetensors"
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
    return Settings(**read_notes(folder / CHECKPOINT)["settings"])


def train_lenet(settings: Settings, folder: pathlib.Path, resume: bool = False) -> list | None:
    """Train LeNet, or go on with the run in `folder`.

    Returns:
        The numbers of every epoch, or None if the run was stopped with Ctrl-C.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainer = make_trainer(settings)
    history: list[dict[str, Any]] = []
    if resume:
        load_checkpoint(folder / CHECKPOINT, trainer)
        history = read_notes(folder / CHECKPOINT)["history"]
    else:
        _save(folder, trainer, settings, history)  # now, not after an hour, if it cannot be done
    with StopRequest() as stop, _progress(trainer, settings) as progress:

        def after_batch(size: int) -> bool:
            progress.batch_done(size, trainer.meter)
            return stop.wanted

        while trainer.place.epoch < settings.epochs:
            progress.begin_epoch(trainer.place.epoch + 1)
            numbers = None if stop.wanted else trainer.run_epoch(after_batch)
            if numbers is not None:
                history.append(numbers)
                progress.epoch_done(numbers)
            _save(folder, trainer, settings, history)
            if numbers is None:
                return None
    draw_curves(history, folder / "curves.png")
    return history


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
    samples = len(trainer.batches) * trainer.batches.batch_size
    done = trainer.place.epoch * samples + trainer.place.batch * trainer.batches.batch_size
    return RunProgress(settings.epochs, samples, done)


def _save(folder: pathlib.Path, trainer: Trainer, settings: Settings, history: list) -> None:
    lines = "".join(json.dumps(numbers) + "\n" for numbers in history)
    write_atomically(folder / "metrics.jsonl", lines.encode())
    save_file(trainer.model.state_dict(), folder / "model.safetensors")
    notes = {"settings": asdict(settings), "history": history}
    save_checkpoint(folder / CHECKPOINT, trainer, notes)
