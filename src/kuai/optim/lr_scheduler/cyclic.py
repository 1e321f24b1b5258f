"""CyclicLR: up and down between two learning rates, batch by batch."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

from kuai.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group, set_option
from kuai.optim.optimizer import Optimizer

__all__ = ["CyclicLR"]


class CyclicLR(LRScheduler):
    """Between `base_lr` and `max_lr` up and down, the momentum the other way round.

    To be stepped after every batch. The height of each cycle is scaled: "triangular" keeps it,
    "triangular2" halves it, "exp_range" multiplies it by gamma after every step.

    Args:
        optimizer: the optimizer whose learning rates (and momenta) are set.
        base_lr, max_lr: the bounds, for all groups or each.
        step_size_up, step_size_down: the steps of the two halves; equal by default.
        mode: "triangular", "triangular2" or "exp_range".
        scale_fn: a function in place of the mode's, of the cycle or of the step.
        scale_mode: "cycle" or "iterations": of what.
        cycle_momentum: let the momentum go from `max_momentum` to `base_momentum` and back.
        last_epoch: the step to go on from.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=1.0, momentum=0.9)
        >>> scheduler = kuai.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, step_size_up=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> [round(rate, 4) for rate in scheduler.get_last_lr()]
        [0.3]

    Reference: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                set_option(group, "lr", rate)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._set_momenta(base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _set_momenta(self, lowest: Any, highest: Any, begin: bool) -> None:
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )
        self.use_beta1 = "betas" in defaults
        self.base_momentums = per_group("base_momentum", self.optimizer, lowest)
        self.max_momentums = per_group("max_momentum", self.optimizer, highest)
        if not begin:
            return
        bounds = zip(self.base_momentums, self.max_momentums, strict=True)
        for group, (low, high) in zip(self.optimizer.param_groups, bounds, strict=True):
            self._set_momentum(group, high)
            group["max_momentum"], group["base_momentum"] = high, low

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            set_option(group, "momentum", value)

    def scale_fn(self, x: float) -> float:
        """What the height is multiplied by in a cycle, or after a step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`; sets the momenta, too."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1.0 + self.last_epoch / self.total_size - cycle
        up = self.step_ratio
        height = place / up if place <= up else (place - 1) / (up - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, bounds, strict=True):
                self._set_momentum(group, high - (high - low) * height)
        bounds = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in bounds]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of `scale_fn` only what an object knows."""
        state = super().state_dict()
        function = state.pop("_scale_fn_custom")
        plain = function is None or isinstance(function, types.FunctionType)
        state["_scale_fn_custom"] = None if plain else vars(function).copy()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        state = dict(state_dict)
        known = state.pop("_scale_fn_custom")
        super().load_state_dict(state)
        if known is not None:
            vars(self._scale_fn_custom).update(known)
