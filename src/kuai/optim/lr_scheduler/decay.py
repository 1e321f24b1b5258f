"""Schedulers that multiply the learning rate: at steps, every epoch, or along a ramp."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from kuai.optim.lr_scheduler.base import RecursiveLR
from kuai.optim.optimizer import Optimizer

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class StepLR(RecursiveLR):
    """Multiply the learning rate by `gamma` every `step_size` epochs.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=0.5)
        >>> scheduler = kuai.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> optimizer.param_groups[0]["lr"]
        0.25
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any) -> Any:
        is_step = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return lr * self.gamma if is_step else lr

    def closed_lr(self, base: Any) -> Any:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(RecursiveLR):
    """Multiply the learning rate by `gamma` at each of the epochs in `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any) -> Any:
        times = self.milestones[self.last_epoch] if self.last_epoch in self.milestones else 0
        return lr * self.gamma**times if times else lr

    def closed_lr(self, base: Any) -> Any:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return base * self.gamma**passed


class ExponentialLR(RecursiveLR):
    """Multiply the learning rate by `gamma` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any) -> Any:
        return lr if self._is_initial else lr * self.gamma

    def closed_lr(self, base: Any) -> Any:
        return base * self.gamma**self.last_epoch


class ConstantLR(RecursiveLR):
    """Multiply the learning rate by `factor` for the first `total_iters` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any) -> Any:
        if self.last_epoch == 0:
            return lr * self.factor
        return lr * (1 / self.factor) if self.last_epoch == self.total_iters else lr

    def closed_lr(self, base: Any) -> Any:
        return base * (1 if self.last_epoch >= self.total_iters else self.factor)


class LinearLR(RecursiveLR):
    """Let the learning rate's factor go from `start_factor` to `end_factor` in `total_iters` steps.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=1.0)
        >>> scheduler = kuai.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=4)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.625]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or "
                "equal to 1."
            )
        if not 0 <= end_factor <= 1:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any) -> Any:
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return lr * (1 + rise / before)

    def closed_lr(self, base: Any) -> Any:
        rise = self.end_factor - self.start_factor
        epoch = min(self.total_iters, self.last_epoch)
        return base * (self.start_factor + rise * epoch / self.total_iters)


class PolynomialLR(RecursiveLR):
    """Let the learning rate fall to zero as (1 - epoch/total_iters) to the power of `power`."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any) -> Any:
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        now, before = (1 - epoch / self.total_iters for epoch in self._last_two())
        return lr * (now / before) ** self.power

    def _last_two(self) -> tuple[int, int]:
        return self.last_epoch, self.last_epoch - 1

    def closed_lr(self, base: Any) -> Any:
        epoch = min(self.total_iters, self.last_epoch)
        return base * (1 - epoch / self.total_iters) ** self.power
