"""Updates: one compiled call that gives many tensors new values, as an optimizer's step does.

The arithmetic is a pure function of a row of arrays. Tensors are only read and written around it,
by one call that is run or recorded like any other (see `tensor.calls`): what a step costs in Python
is a little for each tensor, and nothing for each operation of the formula.
"""

import functools

import jax.numpy as jnp

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.autograd.residuals import RowCall
from kuai.engine.autograd.running import Operation, run
from kuai.engine.tensor import Tensor, modes, shared, views
from kuai.engine.tensor.calls import in_tiers, recorder

__all__ = ["Update"]


class Update:
    """Gives tensors new values, all of them in one compiled call.

    Args:
        function: takes the arrays of the tensors to be written, then those of all other inputs;
            returns a tuple of new arrays for the first ones.
        name: whose update it is, in errors; its last part is the name in programs and profiles.
    """

    def __init__(self, function, name: str):
        self.function, self.name = function, name
        short = name.rpartition(".")[2]
        function.__name__ = function.__qualname__ = short
        self.call = RowCall(in_tiers(function, keep_unused=False), short, varying=True)

    def __call__(self, boxes: list, read: list, numbers: list) -> None:
        """Replace the values of tensors.

        Args:
            boxes: the tensors to be written.
            read: tensors that are only read.
            numbers: numbers or tensors that may change without compiling anew.
        """
        if shared.ACTIVE:
            with shared.still(boxes):
                return self._perform(boxes, read, numbers)
        return self._perform(boxes, read, numbers)

    def _perform(self, boxes, read, numbers):
        arrays = views.held_all(boxes)
        arrays += views.held_all(read)
        arrays += [views.held(n) if isinstance(n, Tensor) else n for n in numbers]
        new = _perform(self.call, arrays)
        skip = modes.state.skip_updates
        if skip is not None:
            old = arrays[: len(boxes)]
            new = _perform(_unless(len(boxes)), [views.held(skip), *old, *new])
        block = modes.state.block
        if block is not None and block.checks is not None:
            block.checks.updated(self.name, arrays, new)
        views.assign_all(boxes, new)

    def on_tape(self, boxes: list, read: list, numbers: list) -> None:
        """As a call, but recorded for `backward()`."""
        inputs = [*boxes, *read, *numbers]
        results = run(_recorded, self, lambda: self.function, inputs)
        for box, result in zip(boxes, results, strict=True):
            overwrite(box, result)


_recorded = Operation("optimizer_step", "OptimizerStepBackward0")


def _perform(call, arrays):
    active = recorder()
    if active is not None:
        step = active.record(call, arrays)
        if step is not None:
            return step[1]
    return call.run(arrays)


@functools.lru_cache(maxsize=1024)
def _unless(count):
    """The old values where a step is to be skipped, without anyone asking whether it is."""

    def unless(skip, *values):
        pairs = zip(values[:count], values[count:], strict=True)
        return tuple(jnp.where(skip, before, after) for before, after in pairs)

    return RowCall(in_tiers(unless), "unless_skipped")
