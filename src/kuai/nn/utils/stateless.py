"""Calls of a module with other tensors in the place of its own."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module

__all__ = ["functional_call", "merged", "replaced"]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
):
    """The old name of `kuai.func.functional_call`.

    Example:
        >>> net = kuai.nn.Linear(2, 1, bias=False)
        >>> with warnings.catch_warnings(action="ignore"):
        ...     call = kuai.nn.utils.stateless.functional_call
        ...     call(net, {"weight": kuai.ones(1, 2)}, kuai.ones(2))
        tensor([2.])
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 "
        "and will be removed in a future version of PyTorch. "
        "Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def merged(dicts):
    """One dictionary of several, without names that appear twice."""
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, (list, tuple)):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    if not all(isinstance(part, dict) for part in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    names = [name for part in dicts for name in part]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous"
        )
    return {name: tensor for part in dicts for name, tensor in part.items()}


def _own(module):
    """All parameters and buffers by name, tied ones under each of their names."""
    members = dict(module.named_parameters(remove_duplicate=False))
    members.update(_named_buffers(module))
    return members


def _named_buffers(module):
    return module._named_members(lambda m: m._buffers.items(), remove_duplicate=False)


_MISSING: Any = object()


@contextlib.contextmanager
def replaced(module, given, tie_weights, strict):
    """For a while, other tensors in a module's slots; tied slots get the same one."""
    own = _own(module)
    places = _tied(own, given) if tie_weights else dict(given)
    if strict:
        _check_names(module, own, places)
    before = []
    try:
        for name, tensor in places.items():
            before.append(_put(module, name, tensor))
        yield
    finally:
        for slots, key, old in reversed(before):
            _set(slots, key, old)


def _tied(own, given):
    places = dict(given)
    names = {}
    for name, tensor in own.items():
        names.setdefault(id(tensor), []).append(name)
    for name, tensor in given.items():
        for other in names.get(id(own.get(name)), ()) if name in own else ():
            if places.get(other, tensor) is not tensor and other in given:
                tied = sorted(names[id(own[name])])
                raise ValueError(
                    f"functional_call got multiple values for keys {tied}, which are tied. "
                    "Consider using tie_weights=False"
                )
            places[other] = tensor
    return places


def _check_names(module, own, places):
    missing = sorted(set(own) - set(places))
    unexpected = sorted(set(places) - set(own))
    lines = []
    if unexpected:
        lines.append(f"\tUnexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        lines.append(f"\tMissing key(s): {', '.join(map(repr, missing))}.")
    if lines:
        start = f"Error(s) in reparametrizing for {module._get_name()}:"
        raise RuntimeError("\n".join([start, *lines]))


def _put(module, name, tensor):
    path, _, key = name.rpartition(".")
    owner = module.get_submodule(path)
    for slots in (owner._parameters, owner._buffers):
        if key in slots:
            old = slots[key]
            _set(slots, key, tensor)
            return slots, key, old
    slots = vars(owner)  # an ordinary attribute, there or not
    old = slots.get(key, _MISSING)
    _set(slots, key, tensor)
    return slots, key, old


def _set(slots, key, tensor):
    """Without telling the guards: the slot is as it was when the call is over."""
    if tensor is _MISSING:
        dict.pop(slots, key, None)
    else:
        dict.__setitem__(slots, key, tensor)
