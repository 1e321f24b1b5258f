"""Trainer: the training loop.

Forward, backward, the optimizer's step and the sums of loss and accuracy are one compiled step.
The loop may stop after any batch and go on later as if it had not: the loader knows where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kuai.data.loader import DataLoader
from kuai.engine.compile.compiler import compile
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import no_grad
from kuai.nn import CrossEntropyLoss, Module
from kuai.optim import Optimizer
from kuai.optim.lr_scheduler import LRScheduler
from kuai.train.meter import Meter

__all__ = ["Trainer"]


class Trainer:
    """Train a classifier.

    Args:
        model, optimizer, scheduler: what is trained, and how; the scheduler is stepped every epoch.
        batches: the training data, with a generator of its own.
        test_batches: the data that the model is judged by after every epoch.
        compiled: make each step one program; otherwise every operation is one.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        batches: DataLoader,
        test_batches: DataLoader,
        compiled: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.batches = batches
        self.test_batches = test_batches
        self.loss_function = CrossEntropyLoss()
        device = next(iter(model.parameters())).device
        self.meter, self.test_meter = Meter(device), Meter(device)
        self.train_step = compile(self._train_step, disable=not compiled)
        self.test_step = compile(self._test_step, disable=not compiled)

    def _train_step(self, inputs: Tensor, labels: Tensor) -> None:
        self.optimizer.zero_grad()
        outputs = self.model(inputs)
        loss = self.loss_function(outputs, labels)
        loss.backward()
        self.optimizer.step()
        self.meter.add(loss, outputs, labels)

    def _test_step(self, inputs: Tensor, labels: Tensor) -> None:
        outputs = self.model(inputs)
        self.test_meter.add(self.loss_function(outputs, labels), outputs, labels)

    def parts(self) -> dict[str, Any]:
        """Everything that a checkpoint has to hold."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "batches": self.batches,
            "meter": self.meter,
        }

    def run_epoch(self, after_batch: Callable[[int], bool]) -> dict[str, float] | None:
        """Train one epoch, or what is left of it, and judge the model.

        `after_batch(size)` is called after every batch; if it returns True, the epoch stops there.

        Returns:
            The epoch's numbers, or None if it was stopped.
        """
        if not self.batches.in_epoch:
            self.meter.reset()
        self.model.train()
        for inputs, labels in self.batches:
            self.train_step(inputs, labels)
            if after_batch(len(inputs)) and self.batches.in_epoch < len(self.batches):
                self.batches.load_state_dict(self.batches.state_dict())  # to go on from here
                return None
        return self._end_epoch()

    def _end_epoch(self) -> dict[str, float]:
        rate = float(self.scheduler.get_last_lr()[0])
        train_loss, train_accuracy = self.meter.read()
        test_loss, test_accuracy = self.evaluate()
        self.scheduler.step()
        return {
            "epoch": self.batches.epoch,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            "lr": rate,
        }

    @no_grad()
    def evaluate(self) -> tuple[float, float]:
        """Mean loss and accuracy on the test data."""
        self.model.eval()
        self.test_meter.reset()
        for inputs, labels in self.test_batches:
            self.test_step(inputs, labels)
        return self.test_meter.read()
