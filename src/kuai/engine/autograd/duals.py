"""Forward mode: tensors that carry a tangent, and operations that pass tangents on.

While a level is on, `modes.state.around` is a `Dual`: it runs each operation as ever, and where one
of the inputs has a tangent it runs a second one, the operation's derivative in that direction. Both
go through `running.run`, so tangents are tensors like any other: on the tape, recorded, traced, and
with tangents of their own at the levels further out.

The derivative forward is taken from the rules of the derivative backward: a pullback is linear in
what arrives, and the transpose of a transpose is the map itself. So there is one set of rules.

Invariants
* A tangent belongs to a tensor and a level; a view has none of its own but reads its base's.
* What is written into a tensor in place brings its tangent along (see `carry`).
"""

import weakref

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd.running import Entry, Operation, OpNode, run
from kuai.engine.tensor import Tensor, devices, modes, views, wrap
from kuai.engine.tensor.placeholder import INEXACT

__all__ = ["Dual", "Level", "carry", "check_tangent", "dual", "has_tangent", "pass_on"]
__all__ += ["plain", "share_tangents", "tangent_of"]

_alias = Operation("alias", "AliasBackward0")
_read = Operation("read_view", "AsStridedBackward0")
_write = Operation("write_view", "torch::autograd::CopySlices")


class Level:
    """One level of forward mode: what has a tangent at it, as long as it is on."""

    def __init__(self):
        self.holders = []

    def give(self, tensor: Tensor, tangent: Tensor | None) -> None:
        """Give a tensor a tangent, or None for no tangent."""
        if tangent is None:
            if tensor._tangents:
                tensor._tangents.pop(self, None)
            return
        if tensor._tangents is None:
            tensor._tangents = {}
        tensor._tangents[self] = tangent
        self.holders.append(weakref.ref(tensor))

    def close(self) -> None:
        """Take all tangents away."""
        for reference in self.holders:
            self.give(tensor, None) if (tensor := reference()) is not None else None
        self.holders.clear()


class Dual:
    """Runs operations for one level; `outer` runs those that it consists of."""

    def __init__(self, level: Level, outer):
        self.level, self.outer = level, outer

    def run(self, operation, key, make_function, values):
        """The operation's results, with tangents if an input has one."""
        values = list(values)
        tangents = {}
        state = modes.state
        state.around = self.outer
        try:
            for position, value in enumerate(values):
                if isinstance(value, Tensor):
                    tangent = tangent_of(value, self.level)
                    if tangent is not None:
                        tangents[position] = tangent
            results = run(operation, key, make_function, values)
            if tangents:
                self._push(operation, key, make_function, values, tangents, results)
        finally:
            state.around = self
        return results

    def _push(self, operation, key, make_function, values, tangents, results):
        made = results if isinstance(results, tuple) else (results,)
        inexact = tuple(i for i, t in enumerate(made) if views.outline(t).dtype.kind in INEXACT)
        if not inexact:
            return
        self._note(made[inexact[0]]._node, tangents)
        positions, count = tuple(tangents), len(values)
        derivative = _derivative_of(operation)
        found = run(
            derivative,
            (key, positions, count),
            lambda: _pushed(operation.name, make_function(), positions, count, inexact),
            [*values, *tangents.values()],
        )
        for number, tangent in zip(inexact, found, strict=True):
            self.level.give(made[number], tangent)

    def _note(self, node, tangents):
        """Have the backward pass, which uses the inputs again, know their tangents."""
        if isinstance(node, OpNode):
            node.tangents = node.tangents or {}
            for position, tangent in tangents.items():
                node.tangents.setdefault(position, {})[self.level] = tangent


def _derivative_of(operation):
    found = operation.__dict__.get("derivative")
    if found is None:
        name = operation.name
        found = operation.derivative = Operation(f"{name}_jvp", "JvpBackward0", operation.compiled)
    return found


def _pushed(name, function, positions, count, inexact):
    """The function of values and tangents that gives the tangents of the results."""

    def push(*arrays):
        entry = Entry(name, function, positions, compiled=False)
        values = list(arrays[:count])
        for position in positions:
            values[position] = jnp.asarray(values[position])
        results, pullback = entry.pull_back(values)
        single = not isinstance(results, tuple)
        row = (results,) if single else results

        def pull(*cotangents):
            full = [np.zeros(r.shape, jax.dtypes.float0) for r in row]
            for number, cotangent in zip(inexact, cotangents, strict=True):
                full[number] = cotangent
            return pullback(full[0] if single else tuple(full))

        start = [jnp.zeros(row[i].shape, row[i].dtype) for i in inexact]
        _, transposed = jax.vjp(pull, *start)
        return tuple(transposed(tuple(arrays[count:])))

    return push


# Tangents of tensors ------------------------------------------------------------------------------


def tangent_of(tensor: Tensor, level: Level) -> Tensor | None:
    """The tangent a tensor has at a level, or None."""
    base = tensor._base
    if base is None:
        return tensor._tangents.get(level) if tensor._tangents else None
    tangent = tangent_of(base, level)
    if tangent is None:
        return None
    chain, counts, flat = _steps_between(base, tensor)

    def read(array, *flat):
        return views.read_chain(chain, array, views.regroup(flat, counts))

    return run(_read, (chain, counts), lambda: read, [tangent, *flat])


def _steps_between(base, view):
    chain, numbers = views.split(view._steps[len(base._steps or ()) :])
    return chain, tuple(map(len, numbers)), [n for group in numbers for n in group]


def carry(target: Tensor, result: Tensor) -> None:
    """Have what is written into a tensor bring its tangents along."""
    state = modes.state
    around = state.around
    try:
        while isinstance(state.around, Dual):
            level, state.around = state.around.level, state.around.outer
            _carry(level, target, tangent_of(result, level), result)
    finally:
        state.around = around


def _carry(level, target, tangent, result):
    base = target._base
    if base is None:
        level.give(target, tangent)
        return
    before = tangent_of(base, level)
    if before is None and tangent is None:
        return
    before = _zeros_like(base) if before is None else before
    tangent = _zeros_like(result) if tangent is None else tangent
    chain, counts, flat = _steps_between(base, target)

    def write(array, part, *flat):
        return views.write_chain(chain, array, part, views.regroup(flat, counts))

    level.give(base, run(_write, (chain, counts), lambda: write, [before, tangent, *flat]))


def _zeros_like(tensor):
    array = views.outline(tensor)
    return wrap(devices.filled(array.shape, array.dtype, 0, devices.placement(array)))


def pass_on(jvp, inputs, outputs, materialize) -> None:
    """Give the outputs of a user's function tangents at the innermost level.

    Args:
        jvp: takes the tangents of the inputs, and returns a row of those of the outputs.
    """
    state = modes.state
    around = state.around
    level = around.level
    state.around = around.outer
    try:
        given = [tangent_of(i, level) if isinstance(i, Tensor) else None for i in inputs]
        if all(tangent is None for tangent in given):
            return
        for number, tensor in enumerate(inputs):
            if given[number] is None and materialize and _is_inexact(tensor):
                given[number] = _zeros_like(tensor)
        found = jvp(*given)
        for output, tangent in zip(outputs, found, strict=True):
            if isinstance(output, Tensor) and tangent is not None:
                check_tangent(output, tangent)
                level.give(output, tangent)
    finally:
        state.around = around


def _is_inexact(tensor):
    return isinstance(tensor, Tensor) and views.outline(tensor).dtype.kind in INEXACT


def has_tangent(tensors) -> bool:
    """Whether any of some things is a tensor with a tangent at a level that is on."""
    around = modes.state.around
    while isinstance(around, Dual):
        if any(isinstance(t, Tensor) and _has(t, around.level) for t in tensors):
            return True
        around = around.outer
    return False


def _has(tensor, level):
    while tensor._base is not None:
        tensor = tensor._base
    return bool(tensor._tangents) and level in tensor._tangents


def check_tangent(primal: Tensor, tangent: Tensor) -> None:
    """PyTorch's errors for a tangent that does not go with a tensor."""
    was, given = views.outline(primal), views.outline(tangent)
    if was.shape != given.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(was.shape)} while the given "
            f"forward gradient is of size {list(given.shape)}."
        )


def dual(primal: Tensor, tangent: Tensor, level: Level) -> Tensor:
    """A tensor on the same storage, and at the same place of the graph, that has a tangent."""
    made = plain(primal, level)
    level.give(made, tangent)
    return made


def plain(tensor: Tensor, level: Level) -> Tensor:
    """A tensor on the same storage and with the same history, without the tangent of a level."""
    made = Tensor._share(tensor)
    state = modes.state
    around, state.around = state.around, None
    try:
        if state.grad_enabled and tensor.requires_grad:
            history = run(_alias, None, lambda: lambda array: array, [tensor])
            made._node, made._output = history._node, history._output
        share_tangents(tensor, made, but=level)
    finally:
        state.around = around
    return made


def share_tangents(tensor: Tensor, made: Tensor, but: Level | None = None) -> None:
    """Give a tensor the tangents that another one has at the levels that are on."""
    for level in modes.state.levels:
        if level is not but and _has(tensor, level):
            level.give(made, tangent_of(tensor, level))
