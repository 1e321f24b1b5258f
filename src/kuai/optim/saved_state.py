"""An optimizer's state as plain dictionaries, in PyTorch's format, and back.

Parameters are numbered in the order of their groups. `param_groups` keeps each group's options with
the numbers of its parameters, `state` the state of each number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import float32

__all__ = ["pack", "unpack"]


def pack(param_groups: list[dict], state: dict) -> dict[str, Any]:
    """The state dict of an optimizer."""
    numbers: dict[int, int] = {}
    packed = [_pack_group(group, numbers) for group in param_groups]
    named = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in state.items()}
    return {"state": named, "param_groups": packed}


def _pack_group(group: dict, numbers: dict[int, int]) -> dict:
    packed = {key: value for key, value in group.items() if key != "params"}
    for param in group["params"]:
        numbers.setdefault(id(param), len(numbers))
    packed["params"] = [numbers[id(param)] for param in group["params"]]
    return packed


def unpack(param_groups: list[dict], state_dict: dict[str, Any]) -> dict[str, Any]:
    """State and groups for an optimizer with these groups, from its state dict."""
    saved = deepcopy(state_dict["param_groups"])
    _check_layout(param_groups, saved)
    options = {number: group for group in saved for number in group["params"]}
    params = dict(
        zip(
            chain.from_iterable(group["params"] for group in saved),
            chain.from_iterable(group["params"] for group in param_groups),
            strict=True,
        )
    )
    state: defaultdict = defaultdict(dict)
    for number, value in state_dict["state"].items():
        if number in params:
            state[params[number]] = _fit(params[number], options[number], None, value)
        else:
            state[number] = value
    for group, loaded in zip(param_groups, saved, strict=True):
        loaded["params"] = group["params"]
        if "param_names" in group:
            loaded.setdefault("param_names", group["param_names"])
    return {"state": state, "param_groups": saved}


def _check_layout(groups: list[dict], saved: list[dict]) -> None:
    if len(groups) != len(saved):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in saved]:
        raise ValueError(
            "loaded state dict contains a parameter group "
            "that doesn't match the size of optimizer's group"
        )


def _fit(param: Tensor, options: dict, key: Any, value: Any) -> Any:
    """A copy of a value of the state, on the parameter's device and in its dtype."""
    if isinstance(value, Tensor):
        return _fit_tensor(param, options, key, value.detach().clone())
    if isinstance(value, dict):
        return {name: _fit(param, options, name, item) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        kind: Any = type(value)
        return kind(_fit(param, options, None, item) for item in value)
    return value


def _fit_tensor(param: Tensor, options: dict, key: Any, value: Tensor) -> Tensor:
    if key == "step":
        wanted = options.get("capturable") or options.get("fused")
        return value.to(device=param.device, dtype=float32 if wanted else value.dtype)
    if param.dtype.is_floating_point:
        return value.to(device=param.device, dtype=param.dtype)
    return value.to(device=param.device)
