"""A module's call with hooks around `forward`.

A module without hooks never gets here: `Module.__call__` looks at its own dictionaries and at
`global_hooks` and goes straight to `forward`. Calls that are followed do: while a program is
recorded for the first time, so that its parts are named after their blocks, and under `kuai.debug`
and `kuai.profile`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kuai.engine.autograd import blocks
from kuai.engine.tensor import modes
from kuai.nn.base.backward_hooks import BackwardHook, attach_to_grad_fn
from kuai.nn.base.hooks import WrappedHook, global_hooks_of

if TYPE_CHECKING:
    from kuai.nn.base.module import Module


class HookedCall:
    """One call of a module that has hooks: pre-hooks, forward, hooks, in registration order."""

    def __init__(self, module: Module, args: tuple, kwargs: dict):
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        """The module's output after all hooks."""
        state = modes.state
        named = state.recorder is not None and state.recorder.names_blocks
        if not named and state.block is None:
            return self._run()
        with blocks.inside(self.module) as block:
            result = self._run()
            if block.shapes is not None:
                block.shapes(block, self.args, self.kwargs, result)
            return result

    def _run(self) -> Any:
        try:
            self._pre_hooks()
            backward = self._backward_hook()
            self.result = self.module.forward(*self.args, **self.kwargs)
            self._forward_hooks()
            return self._output(backward)
        except Exception:
            self._always_called_hooks()
            raise

    def _pre_hooks(self) -> None:
        for _, entry in global_hooks_of("forward_pre"):
            self._replace_args(entry.hook(self.module, self.args))
        with_kwargs = self.module._forward_pre_hooks_with_kwargs
        for key, hook in list(self.module._forward_pre_hooks.items()):
            if key in with_kwargs:
                self._replace_both(hook(self.module, self.args, self.kwargs))
            else:
                self._replace_args(hook(self.module, self.args))

    def _replace_args(self, output: Any) -> None:
        if output is not None:
            self.args = output if isinstance(output, tuple) else (output,)

    def _replace_both(self, output: Any) -> None:
        if output is None:
            return
        if not (isinstance(output, tuple) and len(output) == 2):
            raise RuntimeError(
                "forward pre-hook must return None or a tuple "
                f"of (new_args, new_kwargs), but got {output}."
            )
        self.args, self.kwargs = output

    def _backward_hook(self) -> BackwardHook | None:
        pre_hooks = [entry.hook for _, entry in global_hooks_of("backward_pre")]
        pre_hooks += self.module._backward_pre_hooks.values()
        full = self._backward_hooks_of_kind("full")
        if not (full or pre_hooks):
            return None
        backward = BackwardHook(self.module, full, pre_hooks)
        self.args = backward.setup_input_hook(self.args)
        return backward

    def _backward_hooks_of_kind(self, kind: str) -> list[Callable]:
        hooks = [entry.hook for _, entry in global_hooks_of(kind)]
        if self.module._is_full_backward_hook is (kind == "full"):
            hooks += self.module._backward_hooks.values()
        return hooks

    def _all_forward_hooks(self) -> list[tuple[int, Callable, bool, bool, str]]:
        """Key, hook, with_kwargs, always_call and a word for warnings, global ones first."""
        module = self.module
        hooks = [
            (key, entry.hook, entry.with_kwargs, entry.always_call, "global module")
            for key, entry in global_hooks_of("forward")
        ]
        for key, hook in module._forward_hooks.items():
            with_kwargs = key in module._forward_hooks_with_kwargs
            always = key in module._forward_hooks_always_called
            hooks.append((key, hook, with_kwargs, always, "module"))
        return hooks

    def _forward_hooks(self) -> None:
        for key, hook, with_kwargs, _, _ in self._all_forward_hooks():
            self.called.add(key)
            self._run_forward_hook(hook, with_kwargs)

    def _run_forward_hook(self, hook: Callable, with_kwargs: bool) -> None:
        extra = (self.kwargs,) if with_kwargs else ()
        output = hook(self.module, self.args, *extra, self.result)
        if output is not None:
            self.result = output

    def _always_called_hooks(self) -> None:
        for key, hook, with_kwargs, always, word in self._all_forward_hooks():
            if not always or key in self.called:
                continue
            try:
                self._run_forward_hook(hook, with_kwargs)
            except Exception as error:  # noqa: BLE001 (the error of forward is the one to raise)
                warnings.warn(
                    f"{word} forward hook with ``always_call=True`` raised an exception "
                    f"that was silenced as another error was raised in forward: {error!s}",
                    stacklevel=2,
                )

    def _output(self, backward: BackwardHook | None) -> Any:
        if backward is not None:
            self.result = backward.setup_output_hook(self.result)
        regular = self._backward_hooks_of_kind("regular")
        if regular:
            hooks = [WrappedHook(hook, self.module) for hook in regular]
            attach_to_grad_fn(hooks, self.args, self.result)
        return self.result
