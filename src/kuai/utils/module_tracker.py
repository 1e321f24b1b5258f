"""`kuai.utils.module_tracker`: which modules are running, by name."""

from __future__ import annotations

import weakref
from typing import Any

from kuai.engine.tensor import Tensor, modes
from kuai.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from kuai.utils._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """Knows inside of its block which modules are running, forward or backward.

    Attributes:
        parents: their names, and "Global".
        is_bw: whether it is a backward pass that runs.

    Example:
        >>> from kuai.utils.module_tracker import ModuleTracker
        >>> class Net(kuai.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.inner = kuai.nn.Linear(2, 2)
        ...         self.inner.register_forward_pre_hook(
        ...             lambda *_: print(sorted(tracker.parents)))
        ...     def forward(self, x):
        ...         return self.inner(x)
        >>> with ModuleTracker() as tracker:
        ...     y = Net()(kuai.ones(1, 2))
        ['Global', 'Net', 'Net.inner']
    """

    def __init__(self) -> None:
        self.parents: set[str] = {"Global"}
        self.is_bw = False
        self._names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._hooks: list[Any] = []

    def _name_of(self, module: Any) -> str:
        if module not in self._names:
            root = type(module).__name__
            for name, part in module.named_modules():
                self._names[part] = f"{root}.{name}" if name else root
        return self._names[module]

    def _enter(self, module: Any, inputs: Any) -> None:
        self.is_bw = False
        name = self._name_of(module)
        self.parents.add(name)
        self._at_gradients(inputs, lambda: self.parents.discard(name))

    def _leave(self, module: Any, inputs: Any, output: Any) -> None:
        name = self._name_of(module)
        self.parents.discard(name)
        self._at_gradients(output, lambda: self.parents.add(name))

    def _at_gradients(self, tensors: Any, act: Any) -> None:
        """Act when the first gradient of one of the tensors is there."""

        def hook(gradient: Any) -> None:
            if not self.is_bw:
                modes.state.walk.at_end.append(self._forget)
            self.is_bw = True
            act()

        for each in tree_leaves(tensors):
            if isinstance(each, Tensor) and each.requires_grad:
                self._hooks.append(each.register_hook(hook))

    def _forget(self) -> None:
        """The backward pass is over."""
        self.parents, self.is_bw = {"Global"}, False

    def __enter__(self) -> ModuleTracker:
        self._hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave),
        ]
        return self

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._forget()
