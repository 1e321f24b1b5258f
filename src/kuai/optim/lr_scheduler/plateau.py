"""ReduceLROnPlateau: a smaller learning rate when a metric no longer gets better."""

from __future__ import annotations

import math
from typing import Any

from kuai.engine.tensor import Tensor, modes
from kuai.optim.checks import number_of
from kuai.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    current,
    set_option,
    warn_epoch,
)
from kuai.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiply the learning rate by `factor` after `patience` epochs without improvement.

    Args:
        optimizer: the optimizer whose learning rates are set.
        mode: "min" if the metric gets better by falling, "max" if by rising.
        factor: what the learning rate is multiplied by.
        patience: how many epochs without improvement are let pass.
        threshold, threshold_mode: how much better counts: a part ("rel") or an amount ("abs").
        cooldown: epochs after a change in which nothing is counted.
        min_lr: lowest learning rate, for all groups or each.
        eps: smaller changes of the learning rate are not made.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=1.0)
        >>> scheduler = kuai.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
        >>> for loss in [2.0, 1.0, 1.0, 1.0]:
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        self.factor = factor
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self._set_min_lr(min_lr)
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = current(optimizer, "lr")
        self._set_mode(mode, threshold, threshold_mode)
        self._reset()

    def _set_min_lr(self, min_lr: Any) -> None:
        count = len(self.optimizer.param_groups)
        several = isinstance(min_lr, (list, tuple))
        if several and len(min_lr) != count:
            raise ValueError(f"expected {count} min_lrs, got {len(min_lr)}")
        self.default_min_lr = None if several else min_lr
        self.min_lrs = list(min_lr) if several else [min_lr] * count

    def _set_mode(self, mode: str, threshold: float, threshold_mode: str) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode

    def _reset(self) -> None:
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]  (as in PyTorch)
        self, metrics: Any, epoch: int | None = None
    ) -> None:
        """Take note of an epoch's metric, and reduce the learning rates if it is time."""
        if modes.state.recorder is not None and isinstance(metrics, Tensor):
            modes.state.recorder.end("ReduceLROnPlateau.step()")
        value = number_of(metrics)
        if epoch is not None:
            warn_epoch()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value, self.best):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = current(self.optimizer, "lr")

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs are not counted just now."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float, best: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            wanted = best * (1 + sign * self.threshold)
        else:
            wanted = best + sign * self.threshold
        return value < wanted if self.mode == "min" else value > wanted

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs "
                    f"from when `ReduceLROnPlateau` was initialized ({len(self.min_lrs)}), "
                    "usually due to a new param group being added to the optimizer. Please "
                    "modify the `min_lrs` field to match the length "
                    "of the `optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            before = float(group["lr"])
            after = max(before * self.factor, lowest)
            if before - after > self.eps:
                set_option(group, "lr", after)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state_dict)
        self._set_mode(self.mode, self.threshold, self.threshold_mode)
