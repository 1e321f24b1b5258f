"""A recording of operations, of the nodes of backward passes, and of optimizers' steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from kuai.engine.autograd import walking
from kuai.engine.tensor import Tensor
from kuai.nn.watching.events import RUNNING, Event, Recording
from kuai.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from kuai.overrides import TorchFunctionMode
from kuai.standin.lowering import operation_name
from kuai.utils import _pytree
from kuai.utils.flop_formulas import flops_of

__all__ = ["Watch"]


class Watch:
    """Records between `start` and `stop`.

    Args:
        shapes, memory, flops: what is noted of an operation beside its time.
    """

    def __init__(self, shapes: bool = False, memory: bool = False, flops: bool = False):
        self.recording = Recording()
        self._mode = _Mode(self.recording, shapes, memory, flops)
        self._steps: dict[int, Event] = {}
        self._contexts = contextlib.ExitStack()

    def start(self) -> None:
        """Begin to record."""
        RUNNING.append(self.recording)
        self._contexts.callback(RUNNING.remove, self.recording)
        self._contexts.enter_context(self._mode)
        walking.around_nodes.append(self._around_node)
        self._contexts.callback(walking.around_nodes.remove, self._around_node)
        for register, hook in (
            (register_optimizer_step_pre_hook, self._step_begins),
            (register_optimizer_step_post_hook, self._step_ends),
        ):
            self._contexts.callback(register(hook).remove)

    def stop(self) -> None:
        """Record no more."""
        self._contexts.close()
        self.recording.close()

    @contextlib.contextmanager
    def _around_node(self, node: Any) -> Iterator[None]:
        name = node.name()
        outer = self.recording.begin(f"autograd::engine::evaluate_function: {name}")
        inner = self.recording.begin(name)
        try:
            yield
        finally:
            self.recording.end(inner)
            self.recording.end(outer)

    def _step_begins(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        kind = type(optimizer).__name__
        self._steps[id(optimizer)] = self.recording.begin(f"Optimizer.step#{kind}.step")

    def _step_ends(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        begun = self._steps.pop(id(optimizer), None)
        if begun is not None:
            self.recording.end(begun)


class _Mode(TorchFunctionMode):
    """Notes each operation, under PyTorch's name."""

    def __init__(self, recording: Recording, shapes: bool, memory: bool, flops: bool):
        self._recording = recording
        self._shapes, self._memory, self._flops = shapes, memory, flops

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, options = operation_name(func), kwargs or {}
        if name is None:
            return func(*args, **options)
        shapes = [_shape(each) for each in (*args, *options.values())] if self._shapes else []
        event = self._recording.begin(f"aten::{name}", shapes)
        try:
            result = func(*args, **options)
        finally:
            self._recording.end(event)
        if self._memory:
            event.memory = sum(map(_bytes_made, _pytree.tree_leaves(result)))
        if self._flops:
            event.flops = flops_of(name, result, args, options)
        return result


def _shape(value: Any) -> list:
    if isinstance(value, Tensor):
        return list(value.shape)
    if isinstance(value, (list, tuple)) and any(isinstance(each, Tensor) for each in value):
        return [_shape(each) for each in value]
    return []


def _bytes_made(value: Any) -> int:
    """The bytes of a result that is no view of what was there."""
    made = isinstance(value, Tensor) and value._base is None
    return value.numel() * value.element_size() if made else 0
