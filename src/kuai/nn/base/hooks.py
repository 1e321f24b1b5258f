"""Hooks: what a user hangs on a module's call. How such a call runs is in `hooked_call`.

Each hook belongs to a ``RemovableHandle`` whose ``id`` is its key, unique in the process; options
such as ``with_kwargs`` are kept in a second dictionary under the same key.

Hooks for all modules stand in one registry, ``global_hooks``, so that "is there any?" is one check.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from kuai.engine.autograd.handles import RemovableHandle
from kuai.nn.base.watched import WatchedDict

if TYPE_CHECKING:
    from kuai.nn.base.module import Module


class WrappedHook:
    """A hook that gets its module first, without keeping the module alive."""

    def __init__(self, hook: Callable, module: Module | None = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        module = self.module() if self.with_module else None
        return {"hook": self.hook, "with_module": self.with_module, "module": module}

    def __setstate__(self, state: dict) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


def add_hook(hooks: Any, hook: Any, *, prepend: bool = False, options: tuple = ()):
    """Put ``hook`` into ``hooks``; ``options`` are (dictionary, wanted) pairs for its key."""
    handle = RemovableHandle(hooks, extra_dict=[dictionary for dictionary, _ in options])
    hooks[handle.id] = hook
    for dictionary, wanted in options:
        if wanted:
            dictionary[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


# One module's hooks (methods of Module) ----------------------------------------------------------


def register_forward_pre_hook(
    self: Module, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
) -> RemovableHandle:
    """Call `hook(module, args)` before `forward`; it may return other arguments.

    Args:
        prepend: run it before the hooks already registered.
        with_kwargs: call `hook(module, args, kwargs)`, which returns None or `(args, kwargs)`.

    Example:
        >>> layer = kuai.nn.Identity()
        >>> with layer.register_forward_pre_hook(lambda module, args: args[0] + 1):
        ...     layer(kuai.zeros(2))
        tensor([1., 1.])
    """
    options = ((self._forward_pre_hooks_with_kwargs, with_kwargs),)
    return add_hook(self._forward_pre_hooks, hook, prepend=prepend, options=options)


def register_forward_hook(
    self: Module,
    hook: Callable,
    *,
    prepend: bool = False,
    with_kwargs: bool = False,
    always_call: bool = False,
) -> RemovableHandle:
    """Call `hook(module, args, output)` after `forward`; it may return another output.

    Args:
        prepend: run it before the hooks already registered.
        with_kwargs: call `hook(module, args, kwargs, output)`.
        always_call: run it also when the call raises an exception.

    Example:
        >>> layer = kuai.nn.Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
        >>> layer(kuai.ones(2))
        tensor([2., 2.])
        >>> handle.remove()
    """
    options = (
        (self._forward_hooks_with_kwargs, with_kwargs),
        (self._forward_hooks_always_called, always_call),
    )
    return add_hook(self._forward_hooks, hook, prepend=prepend, options=options)


def register_full_backward_pre_hook(
    self: Module, hook: Callable, prepend: bool = False
) -> RemovableHandle:
    """Call `hook(module, grad_output)` before this block's backward; may return another."""
    return add_hook(self._backward_pre_hooks, hook, prepend=prepend)


def register_full_backward_hook(
    self: Module, hook: Callable, prepend: bool = False
) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

    The hook may return other gradients for the inputs.

    Example:
        >>> layer = kuai.nn.Identity()
        >>> handle = layer.register_full_backward_hook(lambda module, g_in, g_out: print(g_out))
        >>> layer(kuai.ones(1, requires_grad=True)).backward()
        (tensor([1.]),)
    """
    _choose_backward_kind(self, full=True)
    return add_hook(self._backward_hooks, hook, prepend=prepend)


def register_backward_hook(self: Module, hook: Callable) -> RemovableHandle:
    """Deprecated form of `register_full_backward_hook`, which sees only the last operation."""
    _choose_backward_kind(self, full=False)
    return add_hook(self._backward_hooks, hook)


def _choose_backward_kind(module: Module, full: bool) -> None:
    if module._is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks on a "
            "single Module. Please use only one of them."
        )
    module._is_full_backward_hook = full


# Hooks on every module ---------------------------------------------------------------------------


class GlobalHook(NamedTuple):
    """A hook on every module; ``kind`` is forward, forward_pre, backward_pre, full or regular."""

    kind: str
    hook: Callable
    with_kwargs: bool = False
    always_call: bool = False


global_hooks: WatchedDict = WatchedDict()
registration_hooks = {kind: WatchedDict() for kind in ("buffer", "module", "parameter")}


def run_registration_hooks(kind: str, module: Module, name: str, value: Any) -> Any:
    """``value``, or what the hooks registered for ``kind`` put in its place."""
    for hook in registration_hooks[kind].values():
        output = hook(module, name, value)
        if output is not None:
            value = output
    return value


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` at every ``register_buffer``; it may return another."""
    return add_hook(registration_hooks["buffer"], hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, child)`` whenever a child is set; it may return another."""
    return add_hook(registration_hooks["module"], hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` at every ``register_parameter``; may replace it."""
    return add_hook(registration_hooks["parameter"], hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's ``forward``; it may return new args."""
    return add_hook(global_hooks, GlobalHook("forward_pre", hook))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after every module's ``forward``.

    Example:
        >>> import kuai
        >>> from kuai.nn.base.hooks import register_module_forward_hook
        >>> names = []
        >>> with register_module_forward_hook(lambda m, args, out: names.append(m._get_name())):
        ...     _ = kuai.nn.Identity()(kuai.ones(2))
        >>> names
        ['Identity']
    """
    return add_hook(global_hooks, GlobalHook("forward", hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before every module's backward; may replace it."""
    return add_hook(global_hooks, GlobalHook("backward_pre", hook))


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Deprecated form of ``register_module_full_backward_hook``."""
    return _add_global_backward_hook("regular", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after every module's backward."""
    return _add_global_backward_hook("full", hook)


_global_backward_kind: list[str] = []


def _add_global_backward_hook(kind: str, hook: Callable) -> RemovableHandle:
    # As in PyTorch, the first registration decides for the rest of the process.
    if _global_backward_kind and _global_backward_kind[0] != kind:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _global_backward_kind[:] = [kind]
    return add_hook(global_hooks, GlobalHook(kind, hook))


def global_hooks_of(kind: str) -> list[tuple[int, GlobalHook]]:
    """The hooks of one kind on every module, with their keys."""
    return [(key, entry) for key, entry in global_hooks.items() if entry.kind == kind]
