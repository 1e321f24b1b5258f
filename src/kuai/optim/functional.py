"""Optimizers that are two pure functions: one makes the state, the other a step.

A formula sees one parameter at a time, as plain arrays (`formula` says what it may rely on).
Everything around it is done here, once for all optimizers: gathering the parameters that have
gradients, making their state, compiling the formula for all parameters of a group as one program,
and writing the results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import compress
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from kuai.engine.op.update import Update
from kuai.engine.tensor import Tensor, modes
from kuai.optim.formula import Structure, program
from kuai.optim.optimizer import Optimizer
from kuai.optim.shared_memory import rounds, share_memory
from kuai.optim.state import StateLayout, layout_of, new_tensor, outline_of

__all__ = ["FunctionalOptimizer"]


class FunctionalOptimizer(Optimizer):
    """An optimizer that is two pure functions of arrays, `init_state` and `update`.

    Attributes:
        numbers: the options that are numbers, or tuples of numbers; they are inputs of the program.
        switches: the options of which only the truth counts; each choice is a program of its own.
            A number that switches something on by not being zero stands in both.

    Example:
        >>> import numpy as np
        >>> class Momentum(kuai.optim.FunctionalOptimizer):
        ...     numbers = ("lr", "decay")
        ...
        ...     def __init__(self, params, lr=0.1, decay=0.5):
        ...         super().__init__(params, {"lr": lr, "decay": decay})
        ...
        ...     @staticmethod
        ...     def init_state(parameter, options):
        ...         return {"velocity": np.zeros(parameter.shape)}
        ...
        ...     @staticmethod
        ...     def update(parameter, gradient, state, options):
        ...         velocity = options.decay * state["velocity"] + gradient
        ...         return parameter - options.lr * velocity, {"velocity": velocity}
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = Momentum([w])
        >>> w.grad = kuai.ones(2)
        >>> optimizer.step()
        >>> optimizer.step()
        >>> w.data
        tensor([0.7500, 0.7500])
    """

    numbers: ClassVar[tuple[str, ...]] = ()
    switches: ClassVar[tuple[str, ...]] = ()
    _layouts: ClassVar[dict[tuple, StateLayout]] = {}
    _updates: ClassVar[dict[tuple, Update]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._layouts, cls._updates = {}, {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state; what files of older versions lack is added."""
        super().__setstate__(state)
        defaults = _defaults_of(type(self))
        for group in self.param_groups:
            for name, value in defaults.items():
                group.setdefault(name, value)
            self._numbers_as_tensors(group)

    def _numbers_as_tensors(self, group: dict[str, Any]) -> None:
        """Older files have the count of steps as a plain number."""
        layout = dict(zip(*self._layout(self._switches(group), group), strict=True))
        for param in group["params"]:
            state = self.state.get(param, {})
            for name, value in state.items():
                if layout.get(name) and not isinstance(value, Tensor):
                    state[name] = new_tensor(param, value, is_number=True)

    # The formula ----------------------------------------------------------------------------------

    @staticmethod
    def init_state(parameter: np.ndarray, options: SimpleNamespace) -> dict[str, Any]:
        """The state before the first step; its names may depend on the switches only.

        Args:
            parameter: an array of the parameter's shape and dtype, of which nothing else is known.
            options: the group's options.

        Returns:
            NumPy arrays of the parameter's shape, and numbers.
        """
        return {}

    @staticmethod
    def update(parameter: Any, gradient: Any, state: dict, options: SimpleNamespace) -> tuple:
        """The new parameter and the new state.

        Args:
            parameter, gradient: arrays; under `maximize` the gradient has been negated.
            state: as `init_state` has made it, or the last step.
            options: `numbers` as numbers of the program, the other `switches` as True or False.
        """
        raise NotImplementedError

    # A step ---------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once; `closure` computes the loss anew and returns it."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            self._update_group(group)
        return loss

    def _update_group(self, group: dict[str, Any]) -> None:
        params, grads = [], []
        for param in group["params"]:
            grad = param.grad
            if grad is not None:
                params.append(param)
                grads.append(grad)
        if not params:
            return
        if not share_memory(params):
            self._change_all(params, grads, group)
            return
        for turn in rounds(params):
            self._change_all([params[i] for i in turn], [grads[i] for i in turn], group)

    def _change_all(self, params: list[Tensor], grads: list[Tensor], group: dict) -> None:
        """Give parameters that share no memory their new values, on each device in one program."""
        try:
            self._change(params, grads, group)
        except ValueError:
            places = dict.fromkeys(param.device for param in params)
            if len(places) == 1:
                raise
            for place in places:  # a program has all its arrays on one device
                here = [param.device == place for param in params]
                self._change(list(compress(params, here)), list(compress(grads, here)), group)

    def _change(self, params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        """Give parameters their new values in one program."""
        switches = self._switches(group)
        layout = self._layout(switches, group)
        boxes = params + self._states(params, layout.names, group) if layout.names else params
        numbers, lengths = self._numbers(group)
        update = self._program(len(params), switches, lengths, layout)
        if group.get("differentiable"):
            with modes.enable_grad():
                update.on_tape(boxes, grads, numbers)
        else:
            update(boxes, grads, numbers)

    def _switches(self, group: dict[str, Any]) -> tuple[bool, ...]:
        return tuple([bool(group[name]) for name in self.switches])

    def _numbers(self, group: dict[str, Any]) -> tuple[list, tuple]:
        """The values of `numbers` in one row, and how many each has (None: it is no tuple)."""
        row, lengths = [], []
        for name in self.numbers:
            value = group[name]
            if isinstance(value, (tuple, list)):
                row.extend(map(_float, value))
                lengths.append(len(value))
            else:
                row.append(_float(value))
                lengths.append(None)
        return row, tuple(lengths)

    # State ----------------------------------------------------------------------------------------

    def _states(self, params: list[Tensor], names: tuple[str, ...], group: dict) -> list[Tensor]:
        """The state tensors in one row, parameter by parameter."""
        row = []
        for param in params:
            state = self.state[param]
            for name in names:
                if name not in state:
                    self._make_state(param, names, group)
                row.append(state[name])
        return row

    def _make_state(self, param: Tensor, names: tuple[str, ...], group: dict[str, Any]) -> None:
        """Give a parameter what its state lacks of these names."""
        options = SimpleNamespace(**group)
        state, made = self.state[param], self.init_state(outline_of(param), options)
        numbers = dict(zip(*self._layout(self._switches(group), group), strict=True))
        for name in names:
            if name not in state:
                state[name] = new_tensor(param, made[name], numbers[name])

    def _layout(self, switches: tuple, group: dict[str, Any]) -> StateLayout:
        found = self._layouts.get(switches)
        if found is None:
            found = layout_of(self.init_state, SimpleNamespace(**group))
            self._layouts[switches] = found
        return found

    def _program(self, count: int, switches: tuple, lengths: tuple, layout: StateLayout) -> Update:
        """The formula for `count` parameters as one compiled call."""
        key = (count, switches, lengths)
        found = self._updates.get(key)
        if found is None:
            chosen = dict(zip(self.switches, switches, strict=True))
            options = dict(zip(self.numbers, lengths, strict=True))
            structure = Structure(count, layout, chosen, options)
            found = Update(program(self.update, structure), self.update.__module__)
            self._updates[key] = found
        return found


def _defaults_of(kind: type) -> dict[str, Any]:
    """The default values of a class's options, and of those of its bases."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            if parameter.default is not parameter.empty:
                found.setdefault(name, parameter.default)
    return found


def _float(value: Any) -> Any:
    """A whole number as a float, so that a program for 0 serves for 0.1; others as they are."""
    return float(value) if isinstance(value, (int, np.generic)) else value
