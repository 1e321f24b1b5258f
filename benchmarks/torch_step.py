"""A step for PyTorch and Kuai, from the same source."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.case import Case, value
from benchmarks.strangers_step import Trainer

__all__ = ["torch_like"]


def torch_like(case: Case, t: Any) -> Callable[[], Any]:
    """`step()`, which does the case's work once.

    Args:
        t: torch or kuai.
    """
    _choose_precision(case, t)
    model = case.model(t)
    model.load_state_dict({
        name: t.tensor(value(name, tuple(old.shape))) for name, old in model.state_dict().items()
    })  # fmt: skip
    model = model.to(case.device, getattr(t, case.dtype))
    inputs = _placed(case, t, case.inputs())
    if not case.training:
        return _forward(model.eval(), inputs, t)
    labels = _placed(case, t, case.labels())
    kind = {"sgd": t.optim.SGD, "adam": t.optim.Adam, "adamw": t.optim.AdamW}[case.optimizer]
    optimizer = kind(model.parameters(), lr=case.lr)
    if case.strangers:
        trainer = Trainer(t, model, optimizer)
        return functools.partial(trainer.step, inputs, labels)
    return _training(case, model, optimizer, inputs, labels, t)


def _choose_precision(case: Case, t: Any) -> None:
    if case.device != "cpu":
        t.set_float32_matmul_precision("high" if case.tensor_float else "highest")
        t.backends.cudnn.allow_tf32 = case.tensor_float


def _placed(case: Case, t: Any, array: Any) -> Any:
    """Numbers in the case's dtype, classes as int64."""
    dtype = getattr(t, case.dtype) if array.dtype.kind == "f" else t.int64
    return t.tensor(array).to(case.device, dtype)


def _training(case, model, optimizer, inputs, labels, t):
    """In the order of PyTorch's own quickstart: gradients are dropped at the end, so nobody has to
    bring them out of the step, as plain JAX, Flax and Equinox do not either."""
    loss_of = _loss_of(case, model, inputs, labels, t)
    clip, parameters = case.clip, list(model.parameters())
    scheduler = t.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10_000) if case.schedule else None

    def step():
        loss = loss_of()
        loss.backward()
        if clip is not None:
            t.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def _loss_of(case, model, inputs, labels, t):
    functional = t.nn.functional
    criterion = functional.mse_loss if case.loss == "mse" else functional.cross_entropy
    if case.autocast is None:
        return lambda: criterion(model(inputs), labels)
    device, dtype = case.device, getattr(t, case.autocast)

    def loss_of():
        with t.autocast(device, dtype=dtype):
            return criterion(model(inputs), labels)

    return loss_of


def _forward(model, inputs, t):
    def step():
        with t.no_grad():
            return model(inputs)

    return step
