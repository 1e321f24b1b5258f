"""Saving and loading a module's state: `state_dict` and `load_state_dict`.

`Module` binds these functions as its methods. A state dict maps dotted names to tensors that share
storage with the module's (nothing is copied); its `_metadata` holds each module's `_version`.
Loading goes through the tree twice over: every module first takes what is its own, collecting what
is missing, unexpected or of the wrong size, and only then is anything raised.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kuai.engine.modes import no_grad
from kuai.engine.tensor import Tensor
from kuai.nn.hooks import RemovableHandle, WrappedHook, add_hook
from kuai.nn.parameter import Parameter, is_lazy

if TYPE_CHECKING:
    from kuai.nn.module import Module

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: names that were missing and names nobody wanted."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys!r}, "
            f"unexpected_keys={self.unexpected_keys!r})"
        )

    __str__ = __repr__


# Extra state --------------------------------------------------------------------------------------


def get_extra_state(self: Module) -> Any:
    """Anything besides tensors that belongs into the `state_dict`; to be overridden."""
    raise RuntimeError(_never_called("get_extra_state"))


def set_extra_state(self: Module, state: Any) -> None:
    """Take back what `get_extra_state` returned; to be overridden together with it."""
    raise RuntimeError(_never_called("set_extra_state"))


def _never_called(name: str) -> str:
    return (
        f"Reached a code path in Module.{name}() that should never be called. "
        "Please file an issue at https://github.com/pytorch/pytorch/issues/new"
        "?template=bug-report.yml to report this bug."
    )


# Saving -------------------------------------------------------------------------------------------


def state_dict(
    self: Module,
    *args: Any,
    destination: dict | None = None,
    prefix: str = "",
    keep_vars: bool = False,
) -> dict[str, Any]:
    """All parameters and persistent buffers under their dotted names.

    Args:
        destination: the dictionary to fill; default: a new OrderedDict.
        prefix: put before every name.
        keep_vars: give the parameters themselves instead of detached tensors on their storage.

    Example:
        >>> list(kuai.nn.Sequential(kuai.nn.Linear(3, 2)).state_dict())
        ['0.weight', '0.bias']
    """
    if args:
        destination, prefix, keep_vars = _positional(args, destination, prefix, keep_vars)
    if destination is None:
        destination = _new_destination()
    metadata = {"version": self._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = metadata
    for hook in self._state_dict_pre_hooks.values():
        hook(self, prefix, keep_vars)
    self._save_to_state_dict(destination, prefix, keep_vars)
    for name, module in self._modules.items():
        if module is not None:
            module.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
    return _run_state_dict_hooks(self, destination, prefix, metadata)


def _positional(args: tuple, destination: Any, prefix: str, keep_vars: bool) -> tuple:
    warnings.warn(
        "Positional args are being deprecated, use kwargs instead. Refer to "
        "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict"
        " for details.",
        FutureWarning,
        stacklevel=3,
    )
    destination = args[0] if destination is None else destination
    prefix = args[1] if len(args) > 1 and prefix == "" else prefix
    keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
    return destination, prefix, keep_vars


def _new_destination() -> Any:
    destination: Any = OrderedDict()
    destination._metadata = OrderedDict()
    return destination


def _run_state_dict_hooks(module: Module, destination: Any, prefix: str, metadata: dict) -> Any:
    for hook in module._state_dict_hooks.values():
        result = hook(module, destination, prefix, metadata)
        if result is None:
            continue
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError("state_dict post-hook must return None")
        destination = result
    return destination


def _save_to_state_dict(self: Module, destination: dict, prefix: str, keep_vars: bool) -> None:
    """Put this module's own tensors, not its children's, into `destination`."""
    for name, parameter in self._parameters.items():
        if parameter is not None:
            destination[prefix + name] = parameter if keep_vars else parameter.detach()
    for name, buffer in self._buffers.items():
        if buffer is not None and name not in self._non_persistent_buffers_set:
            destination[prefix + name] = buffer if keep_vars else buffer.detach()
    if self.__class__.get_extra_state is not get_extra_state:
        destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()


# Hooks --------------------------------------------------------------------------------------------


def register_state_dict_pre_hook(self: Module, hook: Callable) -> RemovableHandle:
    """Call `hook(module, prefix, keep_vars)` before `state_dict` collects anything."""
    return add_hook(self._state_dict_pre_hooks, hook)


def register_state_dict_post_hook(self: Module, hook: Callable) -> RemovableHandle:
    """Call `hook(module, state_dict, prefix, local_metadata)` at the end; it changes in place."""
    hook._from_public_api = True  # type: ignore[attr-defined]
    return add_hook(self._state_dict_hooks, hook)


def _register_state_dict_hook(self: Module, hook: Callable) -> RemovableHandle:
    """As the public one, but a returned dictionary takes the place of the state dict."""
    if getattr(hook, "_from_public_api", False):
        raise RuntimeError(
            "Cannot register the same function as the state dict post hook that was "
            "previously registered via register_state_dict_post_hook"
        )
    return add_hook(self._state_dict_hooks, hook)


def register_load_state_dict_pre_hook(self: Module, hook: Callable) -> RemovableHandle:
    """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
    unexpected_keys, error_msgs)` before this module takes its part of the state dict."""
    return self._register_load_state_dict_pre_hook(hook, with_module=True)


def _register_load_state_dict_pre_hook(
    self: Module, hook: Callable, with_module: bool = False
) -> RemovableHandle:
    """As the public one; without `with_module` the hook does not get the module."""
    wrapped = WrappedHook(hook, self if with_module else None)
    return add_hook(self._load_state_dict_pre_hooks, wrapped)


def register_load_state_dict_post_hook(self: Module, hook: Callable) -> RemovableHandle:
    """Call `hook(module, incompatible_keys)` after loading; it may change the lists in place."""
    return add_hook(self._load_state_dict_post_hooks, hook)


# Loading ------------------------------------------------------------------------------------------


def load_state_dict(
    self: Module, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
) -> IncompatibleKeys:
    """Copy the tensors of `state_dict` into this module's parameters and buffers.

    Args:
        strict: raise unless the names match exactly.
        assign: put the given tensors themselves in place instead of copying their values.

    Returns:
        The missing and the unexpected names.

    Raises:
        RuntimeError: listing everything that does not fit; what fits has then been loaded.

    Example:
        >>> net, copy = kuai.nn.Linear(3, 2), kuai.nn.Linear(3, 2)
        >>> copy.load_state_dict(net.state_dict())
        <All keys matched successfully>
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    loading = _Loading(getattr(state_dict, "_metadata", None), assign)
    loading.load(self, _own_copy(state_dict, loading.metadata), "")
    errors = loading.errors
    if strict:
        errors = _complaints(loading.missing, loading.unexpected) + errors
    if errors:
        lines = "\n\t".join(errors)
        raise RuntimeError(
            f"Error(s) in loading state_dict for {self.__class__.__name__}:\n\t{lines}"
        )
    return IncompatibleKeys(loading.missing, loading.unexpected)


def _own_copy(state_dict: Mapping[str, Any], metadata: Any) -> Any:
    """A copy which pre-hooks may change."""
    copied: Any = OrderedDict(state_dict)
    if metadata is not None:
        copied._metadata = metadata
    return copied


def _complaints(missing: list[str], unexpected: list[str]) -> list[str]:
    complaints = []
    for word, keys in (("Missing", missing), ("Unexpected", unexpected)):
        if keys:
            quoted = ", ".join(f'"{key}"' for key in keys)
            complaints.append(f"{word} key(s) in state_dict: {quoted}. ")
    return complaints


class _Loading:
    """One call of `load_state_dict`: what it has found so far."""

    def __init__(self, metadata: Any, assign: bool):
        self.metadata = metadata
        self.assign = assign
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []

    def load(self, module: Module, state: dict, prefix: str) -> None:
        """Load `module` and everything below it from `state`, whose names start with `prefix`."""
        local_metadata = {} if self.metadata is None else self.metadata.get(prefix[:-1], {})
        if self.assign:
            local_metadata["assign_to_params_buffers"] = True
        module._load_from_state_dict(
            state, prefix, local_metadata, True, self.missing, self.unexpected, self.errors
        )
        for name, child in module._modules.items():
            if child is not None:
                start = f"{prefix}{name}."
                part = {key: value for key, value in state.items() if key.startswith(start)}
                self.load(child, part, start)
        self._run_post_hooks(module)

    def _run_post_hooks(self, module: Module) -> None:
        incompatible = IncompatibleKeys(self.missing, self.unexpected)
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
    members = dict(module._parameters)
    for name, buffer in module._buffers.items():
        if name not in module._non_persistent_buffers_set:
            members[name] = buffer
    return {name: tensor for name, tensor in members.items() if tensor is not None}


def _load_tensor(
    module: Module, name: str, tensor: Tensor, key: str, state_dict: dict, assign: bool
) -> list[str]:
    """Load one tensor; the complaints if it does not fit."""
    given = state_dict[key]
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
            return [
                f"size mismatch for {key}: copying a param with shape {given.shape} from "
                f"checkpoint, the shape in current model is {tensor.shape}."
            ]
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
        tensor.copy_(given)
        return
    if isinstance(tensor, Parameter):
        if isinstance(given, Parameter):
            given.requires_grad_(tensor.requires_grad)
        else:
            given = Parameter(given, requires_grad=tensor.requires_grad)
    setattr(module, name, given)


def _load_extra_state(
    module: Module,
    state_dict: dict,
    prefix: str,
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
) -> None:
    key = prefix + _EXTRA_STATE_KEY_SUFFIX
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
        if not key.startswith(prefix) or key == prefix + _EXTRA_STATE_KEY_SUFFIX:
            continue
        first, dot, _ = key[len(prefix) :].partition(".")
        if first not in (module._modules if dot else local_state):
            unexpected.append(key)
    return unexpected
