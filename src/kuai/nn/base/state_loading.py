"""Loading a module's state: `load_state_dict`.

`Module` binds these functions as its methods. Every module takes what is its own out of the state
dict and notes what is missing, unexpected or of another size; only then is anything raised, and
whatever has been loaded by then is taken back. That costs nothing: arrays are immutable, so the old
values are kept by keeping a reference. For the same reason loading copies no tensor that already
has the right dtype and place; the module and the state dict hold one array until either writes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import Tensor, changes, from_array, modes, views
from kuai.engine.tensor.attributes import own
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.modes import no_grad
from kuai.engine.tensor.overriding import is_of_the_real_torch
from kuai.engine.tensor.storage import put
from kuai.nn.base.load_report import (
    IncompatibleKeys,
    SizeMismatch,
    missing_and_unexpected,
    shortened,
)
from kuai.nn.base.state_dict import EXTRA_STATE_SUFFIX, set_extra_state
from kuai.nn.parameter import Parameter, is_lazy

if TYPE_CHECKING:
    from kuai.nn.base.module import Module

__all__ = ["_load_from_state_dict", "load_state_dict"]


@folding
def load_state_dict(
    self: Module,
    state_dict: Mapping[str, Any],
    strict: bool = True,
    assign: bool = False,
    *,
    ignore_mismatched_sizes: bool = False,
) -> IncompatibleKeys:
    """Copy the tensors of `state_dict` into this module's parameters and buffers.

    Args:
        state_dict: tensors, or arrays of NumPy, JAX or PyTorch, by their dotted names.
        strict: raise unless the names match exactly.
        assign: put the given tensors themselves in place instead of copying their values.
        ignore_mismatched_sizes: leave out tensors of another size (a new head, say) instead of
            raising; the result's `mismatched_keys` tells which, with the two sizes.

    Returns:
        The missing and the unexpected names.

    Raises:
        RuntimeError: listing everything that does not fit; the module is then as it was before.

    Example:
        >>> net, head = kuai.nn.Linear(3, 2), kuai.nn.Linear(3, 5)
        >>> kuai.nn.Linear(3, 2).load_state_dict(net.state_dict())
        <All keys matched successfully>
        >>> head.load_state_dict({"bias": net.bias}, False, ignore_mismatched_sizes=True)
        _IncompatibleKeys(missing_keys=['weight'], unexpected_keys=[], \
mismatched_keys=[('bias', torch.Size([2]), torch.Size([5]))])

    Differs from PyTorch: after an error nothing is loaded; `ignore_mismatched_sizes` is Kuai's.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    before = _Before(self)
    try:
        loading = _Loading(getattr(state_dict, "_metadata", None), assign)
        loading.load(self, _own_copy(state_dict, loading.metadata), "")
        result, errors = loading.outcome(ignore_mismatched_sizes)
        _raise_if_any(self, state_dict, errors, result if strict else None)
    except BaseException:
        before.restore()
        raise
    return result


def _own_copy(state_dict: Mapping[str, Any], metadata: Any) -> Any:
    """A copy which pre-hooks may change."""
    copied: Any = OrderedDict(state_dict)
    if metadata is not None:
        copied._metadata = metadata
    return copied


def _raise_if_any(
    module: Module, given: Mapping, errors: list[str], incompatible: IncompatibleKeys | None
) -> None:
    lines = shortened(errors, module)
    if incompatible is not None:
        lines = missing_and_unexpected(incompatible, module, given) + lines
    if lines:
        text = "\n\t".join(lines)
        raise RuntimeError(
            f"Error(s) in loading state_dict for {module.__class__.__name__}:\n\t{text}"
        )


class _Before:
    """What a module held before it was loaded into, to be put back after an error."""

    def __init__(self, root: Module):
        self._members: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (slots, dict(slots))
            for module in root.modules()
            for slots in (module._parameters, module._buffers)
        ]
        tensors = [t for _, slots in self._members for t in slots.values() if t is not None]
        dense = [t for t in tensors if t._specified is None]
        self._tensors = [(t, type(t), t._storage, t._steps, t._storage.held) for t in dense]
        self._sparse = [(t, dict(own(t))) for t in tensors if t._specified is not None]

    def restore(self) -> None:
        """Put it back; a capture undoes by itself what an exception leaves behind."""
        if modes.state.capture is not None:
            return
        for slots, members in self._members:
            slots.update(members)
        for tensor, kind, storage, steps, array in self._tensors:
            tensor.__class__ = kind  # an uninitialized parameter may have become a real one
            tensor._storage, tensor._steps, tensor._cache = storage, steps, None
            if storage.held is not array:
                put(storage, array)
        for tensor, attributes in self._sparse:
            own(tensor).update(attributes)
        changes.touch()


class _Loading:
    """One call of `load_state_dict`: what it has found so far."""

    def __init__(self, metadata: Any, assign: bool):
        self.metadata = metadata
        self._assign = assign
        self._missing: list[str] = []
        self._unexpected: list[str] = []
        self._errors: list[str] = []

    def load(self, module: Module, state: dict, prefix: str) -> None:
        """Load `module` and everything below it from `state`, whose names start with `prefix`."""
        local_metadata = {} if self.metadata is None else dict(self.metadata.get(prefix[:-1], {}))
        if self._assign:
            local_metadata["assign_to_params_buffers"] = True
        module._load_from_state_dict(
            state, prefix, local_metadata, True, self._missing, self._unexpected, self._errors
        )
        for name, child in module._modules.items():
            if child is not None:
                start = f"{prefix}{name}."
                part = {key: value for key, value in state.items() if key.startswith(start)}
                self.load(child, part, start)
        self._run_post_hooks(module)

    def outcome(self, ignore_mismatched: bool) -> tuple[IncompatibleKeys, list[str]]:
        """The names that do not match, and the complaints besides."""
        mismatched = [error for error in self._errors if isinstance(error, SizeMismatch)]
        if not ignore_mismatched:
            return IncompatibleKeys(self._missing, self._unexpected), self._errors
        others = [error for error in self._errors if not isinstance(error, SizeMismatch)]
        found = [(error.key, error.given, error.wanted) for error in mismatched]
        return IncompatibleKeys(self._missing, self._unexpected, found), others

    def _run_post_hooks(self, module: Module) -> None:
        incompatible = IncompatibleKeys(self._missing, self._unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, incompatible) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                    "expected to return new values, if incompatible_keys need to be modified, "
                    "it should be done inplace."
                )


def _load_from_state_dict(
    self: Module,
    state_dict: dict,
    prefix: str,
    local_metadata: dict,
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Take this module's own tensors, not its children's, out of `state_dict`."""
    for hook in self._load_state_dict_pre_hooks.values():
        hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
    assign = local_metadata.get("assign_to_params_buffers", False)
    local_state = _local_state(self)
    for name, tensor in local_state.items():
        if prefix + name in state_dict:
            problem = _load_tensor(self, name, tensor, prefix + name, state_dict, assign)
            error_msgs += problem
        elif strict:
            missing_keys.append(prefix + name)
    _load_extra_state(self, state_dict, prefix, strict, missing_keys, unexpected_keys)
    if strict:
        unexpected_keys += _unexpected(self, state_dict, prefix, local_state)


def _local_state(module: Module) -> dict[str, Tensor]:
    members: dict[str, Tensor | None] = dict(module._parameters)
    for name, buffer in module._buffers.items():
        if name not in module._non_persistent_buffers_set:
            members[name] = buffer
    return {name: tensor for name, tensor in members.items() if tensor is not None}


def _load_tensor(
    module: Module, name: str, tensor: Tensor, key: str, state_dict: dict, assign: bool
) -> list[str]:
    """Load one tensor; the complaints if it does not fit."""
    given = state_dict[key]
    if isinstance(given, (np.ndarray, np.generic, jax.Array)):
        given = from_array(np.asarray(given))
    elif is_of_the_real_torch(type(given)) and hasattr(given, "__dlpack__"):
        given = from_array(jnp.array(jnp.from_dlpack(given.detach().contiguous()), copy=True))
    if not isinstance(given, Tensor):
        return [
            f'While copying the parameter named "{key}", '
            "expected torch.Tensor or Tensor-like object from checkpoint but "
            f"received {type(given)}"
        ]
    if not is_lazy(tensor):
        # Files of PyTorch before 0.4 hold scalars as one-element vectors.
        given = given[0] if len(tensor.shape) == 0 and tuple(given.shape) == (1,) else given
        if given.shape != tensor.shape:
            return [SizeMismatch(key, given.shape, tensor.shape)]
    try:
        with no_grad():
            _put(module, name, tensor, given, assign)
    except Exception as error:  # noqa: BLE001 (all complaints are raised together at the end)
        return [
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{tensor.size()} and whose dimensions in the checkpoint are {given.size()}, "
            f"an exception occurred : {error.args}."
        ]
    return []


def _put(module: Module, name: str, tensor: Tensor, given: Tensor, assign: bool) -> None:
    if not assign:
        _copy(tensor, given)
        return
    if isinstance(tensor, Parameter):
        if isinstance(given, Parameter):
            given.requires_grad_(tensor.requires_grad)
        else:
            given = Parameter(given, requires_grad=tensor.requires_grad)
    setattr(module, name, given)


def _copy(tensor: Tensor, given: Tensor) -> None:
    dense = tensor._specified is given._specified is None
    if modes.state.capture is not None or is_lazy(tensor) or is_lazy(given) or not dense:
        tensor.copy_(given)
        return
    array, old = views.held(given), views.outline(tensor)
    alike = (array.dtype, array.shape, array.sharding) == (old.dtype, old.shape, old.sharding)
    if not alike:
        tensor.copy_(given)
        return
    views.assign(tensor, array)  # both hold the same immutable array now


def _load_extra_state(
    module: Module,
    state_dict: dict,
    prefix: str,
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
) -> None:
    key = prefix + EXTRA_STATE_SUFFIX
    wanted = module.__class__.set_extra_state is not set_extra_state
    if wanted and key in state_dict:
        module.set_extra_state(state_dict[key])
    elif wanted and strict:
        missing_keys.append(key)
    elif strict and key in state_dict:
        unexpected_keys.append(key)


def _unexpected(module: Module, state_dict: dict, prefix: str, local_state: dict) -> list[str]:
    """Names under `prefix` which neither this module nor a child of it answers to."""
    unexpected = []
    for key in state_dict:
        if not key.startswith(prefix) or key == prefix + EXTRA_STATE_SUFFIX:
            continue
        first, dot, _ = key[len(prefix) :].partition(".")
        if first not in (module._modules if dot else local_state):
            unexpected.append(key)
    return unexpected
