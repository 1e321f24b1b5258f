"""Averages of weights: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.modes import no_grad
from kuai.nn.base.module import Module
from kuai.nn.modules.batchnorm import _BatchNorm
from kuai.optim.lr_scheduler.base import LRScheduler, per_group
from kuai.optim.optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """The function avg ← decay·avg + (1 − decay)·θ of one parameter.

    Example:
        >>> average = kuai.optim.swa_utils.get_ema_avg_fn(0.9)
        >>> average(kuai.tensor([1.0]), kuai.tensor([2.0]), 1)
        tensor([1.1000])
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """The function avg ← avg + (θ − avg)/(n + 1) of one parameter: the mean of all so far.

    Example:
        >>> kuai.optim.swa_utils.get_swa_avg_fn()(kuai.tensor([1.0]), kuai.tensor([2.0]), 1)
        tensor([1.5000])
    """

    @no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _over_lists(update: Callable) -> Callable:
    """A function of lists of parameters that writes what `update` gives for each."""

    @no_grad()
    def update_all(averaged, current, num_averaged):
        for ours, theirs in zip(averaged, current, strict=True):
            ours.copy_(update(ours, theirs, num_averaged))

    return update_all


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """`get_ema_avg_fn` for lists of parameters, in place.

    Example:
        >>> ours, theirs = [kuai.tensor([1.0])], [kuai.tensor([2.0])]
        >>> kuai.optim.swa_utils.get_ema_multi_avg_fn(0.9)(ours, theirs, 1)
        >>> ours
        [tensor([1.1000])]
    """
    return _over_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """`get_swa_avg_fn` for lists of parameters, in place."""
    return _over_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's over time.

    Args:
        model: what is copied.
        device: where the copy lies.
        avg_fn: `avg_fn(averaged, current, count)` gives the new average of one parameter.
        multi_avg_fn: `multi_avg_fn(averaged, current, count)` writes those of lists of parameters.
        use_buffers: average buffers, too, and not only copy them.

    Example:
        >>> net = kuai.nn.Linear(1, 1)
        >>> average = kuai.optim.swa_utils.AveragedModel(net)
        >>> for value in (1.0, 3.0):
        ...     _ = net.weight.data.fill_(value)
        ...     average.update_parameters(net)
        >>> average.module.weight.data
        tensor([[2.]])

    Reference: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
    2018.
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", from_array(np.zeros((), np.int64), device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the averages."""
        ours, theirs = _tensors(self.module, self.use_buffers), _tensors(model, self.use_buffers)
        averaged = [tensor.detach() for tensor in ours]
        current = [
            tensor.detach().to(own.device) for tensor, own in zip(theirs, averaged, strict=True)
        ]
        if int(self.n_averaged) == 0:
            for own, tensor in zip(averaged, current, strict=True):
                own.copy_(tensor)
        else:
            self._average(averaged, current)
        if not self.use_buffers:
            for own, tensor in zip(self.module.buffers(), model.buffers(), strict=True):
                own.detach().copy_(tensor.detach().to(own.device))
        self.n_averaged.add_(1)

    def _average(self, averaged: list[Tensor], current: list[Tensor]) -> None:
        update = self.multi_avg_fn or _over_lists(self.avg_fn or get_swa_avg_fn())
        groups: dict = {}
        for own, tensor in zip(averaged, current, strict=True):
            group = groups.setdefault((own.device, own.dtype), ([], []))
            group[0].append(own)
            group[1].append(tensor)
        for (device, _), group in groups.items():
            update(*group, self.n_averaged.to(device))


def _tensors(model: Module, use_buffers: bool) -> list[Tensor]:
    buffers = model.buffers() if use_buffers else ()
    return list(chain(model.parameters(), buffers))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalizations anew, by one pass over data.

    Args:
        loader: gives inputs, or lists whose first part is the input.
        device: where inputs are moved to.

    Example:
        >>> net = kuai.nn.BatchNorm1d(1)
        >>> kuai.optim.swa_utils.update_bn([kuai.tensor([[1.0], [3.0]])], net)
        >>> net.running_mean
        tensor([2.])
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
            module.momentum = None  # pyright: ignore[reportAttributeAccessIssue]
    if not momenta:
        return
    was_training = model.training
    model.train()
    for batch in loader:
        input = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(input if device is None else input.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present learning rate to `swa_lr` in `anneal_epochs`, and then no further.

    Args:
        optimizer: the optimizer whose learning rates are set.
        swa_lr: the last rate, for all groups or each.
        anneal_strategy: "cos" or "linear".
        last_epoch: the epoch to go on from.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=1.0)
        >>> scheduler = kuai.optim.swa_utils.SWALR(optimizer, 0.5, 4, "linear")
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.875]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", optimizer, swa_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, part: float) -> float:
        """How much of the way is done after a part of the epochs."""
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def _share(self, step: int) -> float:
        return self.anneal_func(max(0, min(1, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[Any]:
        """The learning rates for the next epoch, from the present ones."""
        self._warn_outside_step()
        step = self._step_count - 1
        step = max(1, step) if self.anneal_epochs == 0 else step
        before, now = self._share(step - 1), self._share(step)
        return [self._next(g["lr"], g["swa_lr"], before, now) for g in self.optimizer.param_groups]

    @staticmethod
    def _next(rate: Any, last: Any, before: float, now: float) -> Any:
        first = last if before == 1 else (rate - before * last) / (1 - before)
        return last * now + first * (1 - now)
