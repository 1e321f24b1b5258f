"""`kuai.distributed.checkpoint.state_dict`: states of models and optimizers, by names."""

from __future__ import annotations

import dataclasses
from typing import Any

from kuai.ops.array.creation import zeros_like

__all__ = [
    "StateDictOptions",
    "get_model_state_dict",
    "get_optimizer_state_dict",
    "get_state_dict",
    "set_model_state_dict",
    "set_optimizer_state_dict",
    "set_state_dict",
]


@dataclasses.dataclass
class StateDictOptions:
    """How a state is given; in one process it is whole, and here."""

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False
    dsd_fqn_modifiers: str = "_fqn_modifiers"


def get_model_state_dict(
    model: Any, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """A model's state.

    Example:
        >>> from kuai.distributed.checkpoint.state_dict import get_model_state_dict
        >>> list(get_model_state_dict(kuai.nn.Linear(1, 1)))
        ['weight', 'bias']
    """
    state = model.state_dict()
    if options is not None and options.ignore_frozen_params:
        frozen = {name for name, each in model.named_parameters() if not each.requires_grad}
        state = {name: value for name, value in state.items() if name not in frozen}
    return state


def _names(model: Any) -> dict[int, str]:
    return {id(each): name for name, each in model.named_parameters()}


def _as_list(optimizers: Any) -> list[Any]:
    return list(optimizers) if isinstance(optimizers, (list, tuple)) else [optimizers]


def _have_state(optimizer: Any) -> None:
    """Have an optimizer make its state, which there is after the first step only.

    A step of length 0 along gradients of 0 changes nothing.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if optimizer.state or any(p.grad is not None for p in parameters):
        return
    for parameter in parameters:
        if parameter.requires_grad:
            parameter.grad = zeros_like(parameter)
    rates = [group.get("lr") for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    optimizer.step()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)


def get_optimizer_state_dict(
    model: Any, optimizers: Any, *, submodules: Any = None, options: Any = None
) -> dict[str, Any]:
    """The states of optimizers, where parameters have their names instead of numbers."""
    names = _names(model)
    state: dict[str, Any] = {}
    groups: list[dict[str, Any]] = []
    for optimizer in _as_list(optimizers):
        _have_state(optimizer)
        for group in optimizer.param_groups:
            options_of = {key: value for key, value in group.items() if key != "params"}
            groups.append(options_of | {"params": [names[id(p)] for p in group["params"]]})
        state |= {names[id(p)]: dict(values) for p, values in optimizer.state.items()}
    return {"state": state, "param_groups": groups}


def get_state_dict(
    model: Any, optimizers: Any, *, submodules: Any = None, options: Any = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both."""
    return (
        get_model_state_dict(model, options=options),
        get_optimizer_state_dict(model, optimizers, options=options),
    )


def set_model_state_dict(
    model: Any, model_state_dict: dict[str, Any], *, options: StateDictOptions | None = None
) -> Any:
    """Put a model into a state."""
    return model.load_state_dict(model_state_dict, strict=options is None or options.strict)


def set_optimizer_state_dict(
    model: Any, optimizers: Any, optim_state_dict: dict[str, Any], *, options: Any = None
) -> None:
    """Put optimizers into states that `get_optimizer_state_dict` gave."""
    names = _names(model)
    groups = list(optim_state_dict["param_groups"])
    for optimizer in _as_list(optimizers):
        numbers: dict[str, int] = {}
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                numbers[names[id(parameter)]] = len(numbers)
        mine, groups = groups[: len(optimizer.param_groups)], groups[len(optimizer.param_groups) :]
        saved = optim_state_dict["state"]
        optimizer.load_state_dict(
            {
                "state": {n: saved[name] for name, n in numbers.items() if name in saved},
                "param_groups": [
                    group | {"params": [numbers[name] for name in group["params"]]}
                    for group in mine
                ],
            }
        )


def set_state_dict(
    model: Any,
    optimizers: Any,
    *,
    model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any],
    options: Any = None,
) -> Any:
    """Both."""
    found = set_model_state_dict(model, model_state_dict, options=options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return found
