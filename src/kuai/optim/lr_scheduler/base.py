"""LRScheduler: what all schedulers share.

A scheduler knows how many times it was stepped (`last_epoch`) and the rates it started from
(`base_lrs`). Most are written twice: as the rate that follows the present one, so that a rate
changed by hand or by another scheduler is taken up, and as a closed formula of the epoch.
"""

from __future__ import annotations

import warnings
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.optim.optimizer import Optimizer

__all__ = ["LRScheduler", "RecursiveLR", "copied", "current", "per_group", "set_option"]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being "
    "deprecated where possible. Please use `scheduler.step()` to step the "
    "scheduler. During the deprecation, if epoch is different from None, the "
    "closed form is used instead of the new chainable form, where available. "
    "Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
_ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
    "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
    "will result in PyTorch skipping the first value of the learning rate schedule. "
    "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)
_REPLACED_WARNING = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization. Please, make sure to call `optimizer.step()` before "
    "`lr_scheduler.step()`. See more details at "
    "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)
_NO_BASE = (
    "param 'initial_lr' is not specified in param_groups[{}] when resuming scheduler with "
    "last_epoch >= 0.\nThis typically happens when:\n"
    "1. You're trying to resume training from a checkpoint but haven't properly loaded the "
    "optimizer state\n2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
)


def copied(value: Any) -> Any:
    """An option's value; a copy if it is a tensor, which `set_option` changes in place."""
    return value.clone() if isinstance(value, Tensor) else value


def current(optimizer: Optimizer, key: str) -> list[Any]:
    """An option's value in each parameter group."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Give an option a new value; a tensor stays the same tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value a parameter group, from one for all or a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * count
    elif len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {count}."
        )
    return [copied(item) for item in value]


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is not an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def warn_epoch() -> None:
    """Say that `step(epoch)` is deprecated."""
    warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=3)


class LRScheduler:
    """Base class for learning rate schedulers; a subclass has `get_lr`.

    Args:
        optimizer: the optimizer whose parameter groups' `lr` is set.
        last_epoch: the epoch to go on from; -1 to begin.

    Example:
        >>> class Halving(kuai.optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [base / 2**self.last_epoch for base in self.base_lrs]
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=0.5)
        >>> scheduler = Halving(optimizer)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(_NO_BASE.format(number))
        self.base_lrs = current(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if "step" in vars(optimizer):
            optimizer._scheduled_step = vars(optimizer)["step"]
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        vars(self).update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The learning rates, one a parameter group, that the last step has set."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`, one a parameter group."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Set the learning rates for the next epoch; to be called after the optimizer's step."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warn_epoch()
        self._update_lr(epoch)

    def _check_order(self) -> None:
        """The optimizer has to be stepped first, by a `step` that tells."""
        optimizer = self.optimizer
        if vars(optimizer).get("step") is not optimizer._scheduled_step:
            warnings.warn(_REPLACED_WARNING, UserWarning, stacklevel=3)
        elif not optimizer._opt_called:
            warnings.warn(_ORDER_WARNING, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr() if epoch is None or closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        self._set_lrs(values)

    def _set_lrs(self, values: list[Any]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_option(group, "lr", value)
        self._last_lr = current(self.optimizer, "lr")

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, "
                "please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )


class RecursiveLR(LRScheduler):
    """A scheduler with a formula for the next rate and a closed one."""

    def next_lr(self, lr: Any) -> Any:
        """The rate for `last_epoch` from that of the epoch before."""
        raise NotImplementedError

    def closed_lr(self, base: Any) -> Any:
        """The rate for `last_epoch` from the one at the start."""
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`, from the present ones.

        Not from those at the start: groups that have come since then have none.
        """
        self._warn_outside_step()
        return [self.next_lr(lr) for lr in current(self.optimizer, "lr")]

    def _get_closed_form_lr(self) -> list[Any]:
        return [self.closed_lr(base) for base in self.base_lrs]
