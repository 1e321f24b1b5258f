"""Meter: mean loss and accuracy of an epoch, summed up on the device."""

from __future__ import annotations

import numpy as np

from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.modes import no_grad

__all__ = ["Meter"]


class Meter:
    """Sums of loss and hits over the samples seen.

    The sums are tensors that are changed in place, so a compiled step may add to them, and nothing
    waits for their values until `read` is called.
    """

    def __init__(self, device=None) -> None:
        self.loss = from_array(np.zeros((), np.float32), device)
        self.hits = from_array(np.zeros((), np.int64), device)
        self.count = from_array(np.zeros((), np.int64), device)

    def reset(self) -> None:
        """Begin anew."""
        for tensor in self.state_dict().values():
            tensor.zero_()

    @no_grad()
    def add(self, loss: Tensor, outputs: Tensor, labels: Tensor) -> None:
        """Take in a batch: its mean loss, the outputs (N, classes) and the labels (N,)."""
        count = labels.shape[0]
        self.loss.add_(loss.detach() * count)
        self.hits.add_((outputs.argmax(dim=1) == labels).sum())
        self.count.add_(count)

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy so far."""
        count = max(self.count.item(), 1)
        return self.loss.item() / count, self.hits.item() / count

    def state_dict(self) -> dict[str, Tensor]:
        """The sums by name."""
        return {"loss": self.loss, "hits": self.hits, "count": self.count}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over sums."""
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])
