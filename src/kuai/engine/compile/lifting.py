"""Lifting: functions on tensors as pure functions of arrays, for branches and loops in a program.

`lift(function, ...)` runs a function once on stand-ins while its operations are traced; what it
reaches beside its arguments becomes further inputs (see `bodies`).

Gradients come from the tape, as everywhere: the walk from the results back to the inputs is traced
too, and the equations that depend on arriving gradients become the body's own backward pass
(`jax.custom_vjp`). So `detach`, `no_grad`, hooks and `autograd.Function` mean the same in a body.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.autograd.tracing import placeholder
from kuai.engine.autograd.walking import walk
from kuai.engine.compile.bodies import WRITES_HISTORY, Body, Boundary, Refresh, aval_of
from kuai.engine.compile.equations import Equations, interpret
from kuai.engine.compile.fingerprint import fingerprint
from kuai.engine.tensor import Tensor, modes, views, wrap
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.nests import ordered
from kuai.engine.tensor.promotion import strong
from kuai.errors import ControlFlowError, drop_jax_note

__all__ = ["Lifted", "lift", "lift_carrying"]

_FIRST_COTANGENT = 1 << 40  # placeholders from here on stand for arriving gradients


# What a lifted function is ------------------------------------------------------------------------


class Lifted:
    """A function of arrays made of a function of tensors.

    `sources` says what it needs beside its arguments; `written` are the storages it changes, whose
    new arrays follow its results.
    """

    def __init__(self, body, closed, count, tree, avals, gradients):
        self.tree, self.avals = tree, avals
        self.sources = body.sources[count:]
        self.written = list(body.written)
        self.positions = [self._position(storage) for storage in self.written]
        self.closed = closed
        self.equations = Equations(closed, _FIRST_COTANGENT)
        found = closed.jaxpr.outvars
        results = len(avals) + len(self.written)
        self.results, self.wanted = found[:results], found[results:]
        self.gradients = gradients  # per wanted gradient the number of the input it belongs to
        self.arriving = self._cotangents()

    def _position(self, storage):
        return next(i for i, s in enumerate(self.sources) if s[0] == "state" and s[1] is storage)

    def _cotangents(self):
        inputs = self.equations.inputs
        return {i - _FIRST_COTANGENT: v for i, v in inputs.items() if i >= _FIRST_COTANGENT}

    def outside(self):
        """The values of the sources, to be passed to `run` beside the arguments."""
        return [_outside(source) for source in self.sources]

    def __call__(self, arguments, outside):
        """Results, and the new arrays of the storages that are written."""
        arrays = [*arguments, *outside]
        recorded = self.gradients is not None
        made = self._differentiable()(*arrays) if recorded else self._early(arrays, [])
        count = len(self.avals)
        return list(made[:count]), list(made[count:])

    def _early(self, arrays, residuals):
        inputs = self.equations.inputs
        environment = {inputs[i]: array for i, array in enumerate(arrays) if i in inputs}
        environment.update(self.equations.constants)
        return interpret(self.equations.early, environment, [*self.results, *residuals])

    def _differentiable(self):
        residuals = self.equations.residuals(self.wanted)
        count = len(self.results)

        @jax.custom_vjp
        def function(*arrays):
            return tuple(self._early(arrays, []))

        def forward(*arrays):
            made = self._early(arrays, residuals)
            return tuple(made[:count]), (tuple(made[count:]), len(arrays))

        def backward(saved, cotangents):
            return self._late(dict(zip(residuals, saved[0], strict=True)), cotangents, saved[1])

        vars(backward)["made_of"] = self
        function.defvjp(forward, backward)
        return function

    @functools.cached_property
    def fingerprint(self):
        """Equal for functions that were traced anew and do the same."""
        return fingerprint(self.closed), self.gradients and tuple(self.gradients), len(self.avals)

    def _late(self, environment, cotangents, count):
        environment.update(self.equations.constants)
        for position, variable in self.arriving.items():
            environment[variable] = jnp.conj(cotangents[position])
        found = interpret(self.equations.late, environment, self.wanted)
        gradients = [None] * int(count)
        for position, array in zip(self.gradients, found, strict=True):
            gradients[position] = jnp.conj(array)
        return tuple(gradients)


def _outside(source):
    if source[0] == "tensor":
        return source[1]
    if source[0] == "recorded":
        return wrap(source[1])
    return _alias(source[1])


def _alias(storage):
    """A tensor without history on a storage."""
    made = object.__new__(Tensor)
    made._storage = storage
    return made


# Lifting ------------------------------------------------------------------------------------------


def lift(function, avals, tree, what, *, differentiate=True) -> Lifted:
    """Make a function of arrays of a function of tensors, by running it once on stand-ins.

    Args:
        avals: an `Aval` for each tensor among the arguments.
        tree: how the tensors make up the arguments, a tuple.
        what: what the body belongs to, for error messages.
        differentiate: whether the result is to be differentiable in reverse.
    """
    differentiate = differentiate and modes.state.grad_enabled
    refreshed = set()
    while True:
        try:
            return _lift(function, avals, tree, what, differentiate)
        except Refresh as refresh:
            if id(refresh.view) in refreshed:
                raise _refusal(what, WRITES_HISTORY) from None
            refreshed.add(id(refresh.view))
            refresh.view.grad_fn  # noqa: B018 (asking for it makes the node anew)


def lift_carrying(function, avals, count, tree, what, *, differentiate=True) -> Lifted:
    """Lift the body of a loop, whose first `count` arguments are its first results as well.

    What is carried is taken to require a gradient from the first iteration on, as it mostly does
    later; only a body that minds is run again to see.
    """
    if modes.state.capture is None and not any(aval.requires_grad for aval in avals):
        body = lift(function, avals, tree, what, differentiate=differentiate)
        if not _grows(avals[:count], body):
            return body
    carried = [a._replace(requires_grad=a.dtype.kind in "fcV") for a in avals[:count]]
    try:
        return lift(function, [*carried, *avals[count:]], tree, what, differentiate=differentiate)
    except ControlFlowError as refusal:
        if WRITES_HISTORY not in str(refusal):
            raise
        body = lift(function, avals, tree, what, differentiate=differentiate)
        if _grows(avals[:count], body):
            raise
        return body


def _grows(carried, body):
    """Whether what is carried starts to require a gradient in the body."""
    pairs = zip(carried, body.avals, strict=False)
    return any(after.requires_grad and not before.requires_grad for before, after in pairs)


def _refusal(what, complaint):
    return ControlFlowError(
        f"{what}: the body {complaint}. Return the new value as a result instead, and use clone() "
        "where a copy is to be changed."
    )


def _lift(function, avals, tree, what, differentiate):
    outer = modes.state.capture
    body = Body(outer, what)
    kept, found = [], {}

    def traced():
        modes.state.capture = body
        try:
            arguments = _arguments(body, avals)
            kept.extend(arguments)
            boundaries = [argument._node for argument in arguments]
            made = function(*jax.tree.unflatten(tree, arguments))
            leaves, found["tree"] = jax.tree.flatten(ordered(made), is_leaf=is_tensor_leaf)
            results = body.enter([_as_tensor(leaf, what) for leaf in leaves])
            arrays = [strong(views.value(result)) for result in results]
            found["avals"] = [aval_of(result) for result in results]
            states = [double.held for double in body.written.values()]
            body.states = len(states)
            recorded = differentiate and (outer is not None or any(boundaries) or body.entered)
            gradients = _gradients(body, boundaries, results) if recorded else {}
            found["gradients"] = list(gradients) if recorded else None  # None: JAX's own
            return [*arrays, *states, *gradients.values()]
        finally:
            modes.state.capture = outer

    try:
        closed = jax.make_jaxpr(traced)()
    except Exception as error:
        drop_jax_note(error)
        raise
    finally:
        complaint = body.settle(kept)
        body.close()
    if complaint is not None:
        raise _refusal(what, complaint)
    return Lifted(body, closed, len(avals), found["tree"], found["avals"], found["gradients"])


def _arguments(body, avals):
    made = []
    for index, aval in enumerate(avals):
        argument = wrap(body.new_input(("argument", index), aval.shape, aval.dtype))
        if aval.requires_grad and modes.state.grad_enabled:
            argument._node = Boundary()
        made.append(argument)
    return made


def _gradients(body, boundaries, results):
    """Gradients of the inputs, by their numbers, given gradients of the results yet to come."""
    roots, arriving = [], []
    for position, result in enumerate(results):
        if result.requires_grad:
            array = views.value(result)
            index = _FIRST_COTANGENT + position
            traced = placeholder.bind(index=index, shape=array.shape, dtype=array.dtype, weak=False)
            roots.append(result)
            arriving.append(wrap(traced))
    inputs = [(node, i) for i, node in enumerate(boundaries) if node is not None]
    inputs += [(stand_in._node, index) for stand_in, index in body.entered.values()]
    if not roots or not inputs:
        return {}
    found = walk(roots, arriving, True, False, [(n, 0) for n, _ in inputs], outside_hooks=False)
    return {
        number: views.value(made)
        for (_, number), made in zip(inputs, found, strict=True)
        if made is not None
    }


def _as_tensor(leaf, what):
    if isinstance(leaf, Tensor):
        return leaf
    if isinstance(leaf, (bool, int, float, complex)):
        return wrap(strong(leaf))
    raise TypeError(
        f"{what}: the body has to return tensors, nested as you like, but one of its results is a "
        f"{type(leaf).__name__}"
    )
