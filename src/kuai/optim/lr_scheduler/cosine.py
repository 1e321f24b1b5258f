"""Schedulers that follow a cosine.

Reference: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.
"""

from __future__ import annotations

import math
from typing import Any

from kuai.optim.lr_scheduler.base import LRScheduler, RecursiveLR, current
from kuai.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(RecursiveLR):
    """Let the learning rate fall along half a cosine to `eta_min` in `T_max` epochs.

        lr = eta_min + (base − eta_min) · (1 + cos(π·epoch / T_max)) / 2

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=1.0)
        >>> scheduler = kuai.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> round(scheduler.get_last_lr()[0], 6)
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        goes_on = self._step_count == 1 and self.last_epoch > 0
        is_lowest = (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0
        if self._is_initial or not (goes_on or is_lowest):
            return super().get_lr()
        self._warn_outside_step()
        rates = zip(self.base_lrs, current(self.optimizer, "lr"), strict=True)
        return [self.closed_lr(base) if goes_on else self._risen(base, lr) for base, lr in rates]

    def next_lr(self, lr: Any) -> Any:
        if self._is_initial:
            return lr
        change = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return change * (lr - self.eta_min) + self.eta_min

    def _risen(self, base: Any, lr: Any) -> Any:
        """The rate after the cosine's lowest point, from which no factor leads up again."""
        return lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2

    def _height(self, epoch: float) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def closed_lr(self, base: Any) -> Any:
        return self.eta_min + (base - self.eta_min) * self._height(self.last_epoch) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the learning rate fall along half a cosine, again and again.

    Args:
        optimizer: the optimizer whose learning rates are set.
        T_0: epochs before the first restart.
        T_mult: how many times longer each further period is.
        eta_min: the lowest learning rate.
        last_epoch: the epoch to go on from.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The learning rates at `T_cur` epochs after the last restart."""
        self._warn_outside_step()
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one, or to `epoch`, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self._advance()
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        else:
            self._jump(epoch)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set_lrs(values)

    def _advance(self) -> None:
        self.last_epoch += 1
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur %= self.T_i
            self.T_i *= self.T_mult

    def _jump(self, epoch: float) -> None:
        self.last_epoch = math.floor(epoch)
        if self.T_mult == 1 or epoch < self.T_0:
            self.T_i = self.T_0
            self.T_cur = epoch % self.T_0 if epoch >= self.T_0 else epoch
            return
        # the periods are a geometric series: n of them are over
        growth = self.T_mult - 1
        over = int(math.log(epoch / self.T_0 * growth + 1, self.T_mult))
        self.T_cur = epoch - self.T_0 * (self.T_mult**over - 1) / growth
        self.T_i = self.T_0 * self.T_mult**over
