"""Saving a module's state, and the hooks around saving and loading it.

`Module` binds these functions as its methods. A state dict maps dotted names to tensors that share
storage with the module's (nothing is copied); its `_metadata` holds each module's `_version`.
Loading stands in `state_loading`.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kuai.nn.base.hooks import RemovableHandle, WrappedHook, add_hook

if TYPE_CHECKING:
    from kuai.nn.base.module import Module

EXTRA_STATE_SUFFIX = "_extra_state"


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
    destination: Any = None,
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
        destination[prefix + EXTRA_STATE_SUFFIX] = self.get_extra_state()


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
