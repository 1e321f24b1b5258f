"""A training step as people write it who think of their work, and not of a compiler.

A class around it, helper functions, a configuration in a global, a meter, a log, counters,
gradients that are left in `.grad`, and `loss.item()` at the end: Python that has to run each time.
"""

from __future__ import annotations

import collections
from typing import Any

CONFIG = {
    "loss": {"label_smoothing": 0.0, "reduction": "mean"},
    "log": {"every": 100, "keep": 20},
    "scales": [1.0],
    "model": {"names": ["backbone", "head"], "frozen": []},
}


class Meter:
    """A running mean of the last values."""

    def __init__(self, size: int) -> None:
        self.values: collections.deque = collections.deque(maxlen=size)

    def update(self, value: float) -> None:
        """Take one more value."""
        self.values.append(value)

    @property
    def average(self) -> float:
        """The mean."""
        return sum(self.values) / max(len(self.values), 1)


class Trainer:
    """Trains a model on one batch.

    Args:
        t: torch or kuai.
    """

    def __init__(self, t: Any, model: Any, optimizer: Any) -> None:
        self.t, self.model, self.optimizer = t, model, optimizer
        self.meter = Meter(CONFIG["log"]["keep"])
        self.steps, self.log = 0, []

    def loss(self, outputs: Any, labels: Any) -> Any:
        """The cross entropy, by the configuration."""
        loss = self.t.nn.functional.cross_entropy(outputs, labels, **CONFIG["loss"])
        for scale in CONFIG["scales"]:
            if scale != 1.0:
                loss = loss * scale
        return loss

    def step(self, inputs: Any, labels: Any) -> float:
        """One step; the loss as a number."""
        self.model.train()
        self.optimizer.zero_grad()
        loss = self.loss(self.model(inputs), labels)
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        value = loss.item()
        self.meter.update(value)
        if self.steps % CONFIG["log"]["every"] == 0:
            self.log.append((self.steps, self.meter.average))
        return value
