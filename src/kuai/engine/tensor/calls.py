"""Calls: compiled functions of arrays that are run at once or, where a recorder is at work, written
down.

Everything that computes goes through a `Call`: operations and their backward passes, views, fused
updates. The recorder knows a call by identity, so there is one object for each function with its
constants.
"""

import jax

from kuai.engine.tensor import modes
from kuai.engine.tensor.acceleration import accelerated
from kuai.engine.tensor.placeholder import Placeholder, known, resolved
from kuai.engine.tiers.tiered import Cold, Tiered

__all__ = ["Call", "in_tiers", "is_pending", "perform", "plainly", "recorder"]


def plainly():
    """A context in which operations are traced for the interpreter: only what every XLA has."""
    return accelerated(False)


def in_tiers(function, keep_unused=True) -> Tiered:
    """The function in tiers.

    By default an unused input stays one, as it still says where the result lies: without it a
    program that reads the result would be compiled again once it has been placed.
    """
    return Tiered(function, plainly, keep_unused)


class Call:
    """A compiled function of arrays and Python numbers.

    Args:
        function: takes arrays and numbers, returns nested arrays; `in_tiers` or under `jax.jit`.
        name: what it is called in programs and profiles.
        varying: whether its numbers mostly change from call to call (a learning rate), so that they
            are inputs of a program from the first time on.
    """

    __slots__ = ("described", "function", "name", "varying")

    def __init__(self, function, name: str, varying: bool = False):
        self.function, self.name, self.varying = function, name, varying
        self.described: dict = {}  # see `compile.record`

    def run(self, arrays):
        """Run it on arrays, numbers and placeholders."""
        function, arrays = self.function, map(resolved, arrays)
        if not isinstance(function, Tiered):
            return function(*arrays)
        arrays = tuple(arrays)
        try:
            return function.run(*arrays)
        except Cold:
            return function(*arrays)

    def as_described(self, arguments):
        """Run it on arrays and numbers, or traced ones; what comes out is what `describe` says."""
        return self.function(*arguments)

    def describe(self, arguments, sharding):
        """The types of the results in one row for such arguments, how they are nested, and the
        trace, which gives them in that row."""
        closed, results = jax.make_jaxpr(self.function, return_shape=True)(*arguments)
        types = [known(a.shape, a.dtype, bool(a.weak_type), sharding) for a in closed.out_avals]
        return types, self.nesting(results), closed

    def nesting(self, results):
        """How results are nested, as the caller wants to know it."""
        return jax.tree.structure(results)


def recorder():
    """The recorder that operations of this thread go to, or None if they are run at once."""
    state = modes.state
    return state.recorder if state.capture is None else None


def perform(call: Call, arrays):
    """Run a call, or write it down: its nested results, arrays or placeholders."""
    active = recorder()
    if active is not None:
        step = active.record(call, arrays)
        if step is not None:
            structure, made = step
            return jax.tree.unflatten(structure, made)
    return call.run(arrays)


def is_pending(array) -> bool:
    """Whether an array has been recorded and not been computed yet."""
    return type(array) is Placeholder and array.record is not None
