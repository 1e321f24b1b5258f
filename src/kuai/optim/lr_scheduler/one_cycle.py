"""OneCycleLR: up to a large learning rate and down again, the momentum the other way round."""

from __future__ import annotations

import math
from typing import Any

from kuai.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group, set_option
from kuai.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """One cycle: from `max_lr / div_factor` up to `max_lr`, then far below the start.

    To be stepped after every batch. Give either `total_steps` or `epochs` and `steps_per_epoch`.

    Args:
        optimizer: the optimizer whose learning rates (and momenta) are set.
        max_lr: the largest learning rate, for all groups or each.
        total_steps: the number of steps; or `epochs` × `steps_per_epoch`.
        pct_start: the part of the steps in which the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: let the momentum go from `max_momentum` to `base_momentum` and back.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first / final_div_factor.
        three_phase: come back to the first rate before going below it.
        last_epoch: the step to go on from.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=1.0, momentum=0.9)
        >>> scheduler = kuai.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> [round(rate, 4) for rate in scheduler.get_last_lr()]
        [0.04]

    Reference: Smith & Topin, "Super-Convergence", 2018.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _count_steps(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            self._set_bounds(max_lrs, div_factor, final_div_factor)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._set_momenta(max_momentum, base_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def _set_bounds(self, max_lrs: list, div_factor: float, final_div_factor: float) -> None:
        for group, highest in zip(self.optimizer.param_groups, max_lrs, strict=True):
            group["initial_lr"] = highest / div_factor
            group["max_lr"] = highest
            group["min_lr"] = group["initial_lr"] / final_div_factor

    def _set_momenta(self, highest: Any, lowest: Any, begin: bool) -> None:
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )
        self.use_beta1 = "betas" in defaults
        highest = per_group("max_momentum", self.optimizer, highest)
        lowest = per_group("base_momentum", self.optimizer, lowest)
        if not begin:
            return
        for group, high, low in zip(self.optimizer.param_groups, highest, lowest, strict=True):
            self._set_momentum(group, high)
            group["max_momentum"], group["base_momentum"] = high, low

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            set_option(group, "momentum", value)

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`; sets the momenta, too."""
        self._warn_outside_step()
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. "
                f"The specified number of total steps is {self.total_steps}"
            )
        phase, part = self._place()
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                self._set_momentum(group, self._between(group, phase, "momentum", part))
        return [self._between(g, phase, "lr", part) for g in self.optimizer.param_groups]

    def _place(self) -> tuple[dict[str, Any], float]:
        """The phase that `last_epoch` lies in, and how much of it is over."""
        *earlier, last = self._schedule_phases
        start = 0.0
        for phase in earlier:
            if self.last_epoch <= phase["end_step"]:
                return phase, (self.last_epoch - start) / (phase["end_step"] - start)
            start = phase["end_step"]
        return last, (self.last_epoch - start) / (last["end_step"] - start)

    def _between(self, group: dict, phase: dict, option: str, part: float) -> Any:
        start, end = (group[phase[f"{edge}_{option}"]] for edge in ("start", "end"))
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (1 + math.cos(math.pi * part))


def _count_steps(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: Any) -> int:
    if value <= 0 or not isinstance(value, int):
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    up = float(pct_start * total_steps) - 1
    phases = [_phase(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
    if three_phase:
        down = float(2 * pct_start * total_steps) - 2
        phases.append(_phase(down, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
        last = ("initial_lr", "min_lr", "max_momentum", "max_momentum")
    else:
        last = ("max_lr", "min_lr", "base_momentum", "max_momentum")
    return [*phases, _phase(total_steps - 1, *last)]


def _phase(end_step: float, *names: str) -> dict[str, Any]:
    keys = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return {"end_step": end_step, **dict(zip(keys, names, strict=True))}
