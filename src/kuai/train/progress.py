"""What a person sees of a run: a bar for the epoch that runs, a line for each that is done."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from kuai.train.meter import Meter

__all__ = ["RunProgress"]

_SECONDS_BETWEEN_READINGS = 0.1  # a reading waits for the device


class RunProgress:
    """Progress of a run on the terminal; where there is none, a line an epoch."""

    def __init__(self, epochs: int, samples: int, done: int, console: Console | None = None):
        self.epochs = epochs
        self.console = console or Console()
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]:>3}/" + str(epochs)),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[accuracy]:.4f}"),
            TextColumn("{task.fields[speed]:,.0f} samples/s"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        fields: dict[str, Any] = dict(epoch=1, loss=float("nan"), accuracy=0.0, speed=0.0)
        self.task = self.bar.add_task("", total=epochs * samples, completed=done, **fields)
        self._last_reading = 0.0
        self.begin_epoch(0)

    def __enter__(self) -> RunProgress:
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()

    def begin_epoch(self, number: int) -> None:
        """An epoch begins."""
        self._samples, self._start = 0, time.perf_counter()
        self.bar.update(self.task, epoch=number)

    def batch_done(self, size: int, meter: Meter) -> None:
        """A batch of `size` samples is done."""
        self._samples += size
        self.bar.advance(self.task, size)
        now = time.perf_counter()
        if self.bar.disable or now - self._last_reading < _SECONDS_BETWEEN_READINGS:
            return
        self._last_reading = now
        loss, accuracy = meter.read()
        self.bar.update(self.task, loss=loss, accuracy=accuracy, speed=self._speed())

    def epoch_done(self, numbers: dict[str, float]) -> None:
        """An epoch is done; show its numbers."""
        self.console.print(
            f"epoch {numbers['epoch']:>3}/{self.epochs}"
            f"  loss {numbers['train_loss']:.4f}  accuracy {numbers['train_accuracy']:.4f}"
            f"  test loss {numbers['test_loss']:.4f}"
            f"  test accuracy {numbers['test_accuracy']:.4f}"
            f"  {self._speed():,.0f} samples/s",
            highlight=False,
            soft_wrap=True,
        )

    def _speed(self) -> float:
        return self._samples / max(time.perf_counter() - self._start, 1e-9)
