"""Programs: the executable that a capture became, and what goes in and out of it.

If tensors that require gradients are returned, the equations that depend on the arriving gradients
are split off as a second executable; the values that both need are its residuals.

Storages that are written are donated: their memory is used again. A storage whose array someone
else may hold (`exclusive` is false) gives a copy instead, so what is donated is always ours alone.
Gradients that the program puts into `.grad` take the memory of those of the last call, if nobody
has kept them.
"""

import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd.capturing import tensor_hooks
from kuai.engine.autograd.tape import Node, edge_of, freed_error
from kuai.engine.compile.equations import executable
from kuai.engine.compile.kept_gradients import Gradient, grads_by_memory, put
from kuai.engine.tensor import changes, devices, wrap
from kuai.engine.tensor.views import assign, value

__all__ = ["Outputs", "Program", "Result", "Sink"]

_one_at_a_time = threading.RLock()  # so that no thread donates what another is about to pass


# What goes in and out -----------------------------------------------------------------------------


class Sink(NamedTuple):
    """Where an output is written: `kind` is state, new_grad, argument, argument_grad, grad,
    same_grad or no_grad."""

    kind: str
    target: (
        object  # a storage, the number of an argument, or the tensor (or argument) owning a slot
    )
    value: object = None


class Result(NamedTuple):
    """One leaf of what the function returned: `kind` is tensor, argument, same or constant."""

    kind: str
    value: object
    requires_grad: bool = False
    node_name: str | None = None  # it had a graph that the function itself used up
    output: int | None = None  # its number among the outputs that gradients can be sent to


class Program:
    """One captured program with its guards."""

    def __init__(self, name, capture, equations, outputs):
        self.guards = capture.guards
        self.places = capture.guards.places
        self.effects = [function for function, _ in capture.effects]
        self.told = capture.told  # of a function that branches: the truth values it was made for
        self.device = devices.jax_device(capture.device)
        self.outputs = outputs
        read = [(s.owner, s.initial is None) for s in capture.slots.values() if s.read]
        numbers = outputs.stand_ins  # of the arguments whose `.grad` it is
        self.slots = [(owner, empty) for owner, empty in read if id(owner) not in numbers]
        self.argument_slots = [(numbers[id(o)], empty) for o, empty in read if id(o) in numbers]
        self.tensors = [(t, _dependent_state(t)) for t in capture.tensors.values()]
        self.storages = frozenset(s for s in capture.doubles if s.home is None)
        self.count = changes.counter.count
        self._plan(name, capture, equations)

    def _plan(self, name, capture, equations):
        outputs = self.outputs
        values = outputs.forward[outputs.count :]  # of the sinks, in their order
        states = {
            s.target: v for s, v in zip(outputs.sinks, values, strict=False) if s.kind == "state"
        }
        grads = [s.target for s in outputs.sinks if s.kind == "new_grad"]
        grads = list(zip(grads, values[len(states) :], strict=False))
        reusing, new = grads_by_memory(grads, [*states.values(), *equations.inputs.values()])
        if capture.way is not None:
            reusing, new = [], grads
        donated, kept, rest = self._inputs_of(capture, equations, states)
        self.other_states = [storage for storage in states if storage not in donated]
        self.reusing = [Gradient(owner, _aval(variable)) for owner, variable in reusing]
        self.grads = [Gradient(owner) for owner, _ in new]
        self.other_sinks = [s for s in outputs.sinks if s.kind not in ("state", "new_grad")]
        self.residuals = equations.residuals(outputs.gradients) if outputs.edges else []
        # an output takes the memory of the first donated input that has its shape: same order
        written = [states[storage] for storage in donated]
        written += [variable for _, variable in reusing]
        written += [states[storage] for storage in self.other_states]
        returned = outputs.forward[: outputs.count]
        wanted = [*returned, *(v for _, v in new), *values[len(states) + len(grads) :]]
        inputs = [*donated.values(), *(v for _, v in reusing)], [*kept.values(), *rest]
        self.donated, self.kept = list(donated), list(kept)
        self.avals = tuple(tuple(_aval(v) for v in variables) for variables in inputs)
        arguments = (i for i, source in enumerate(capture.sources) if source[0] == "argument")
        self.argument_avals = [equations.inputs[i].aval for i in arguments if i in equations.inputs]
        self.forward = executable(
            name,
            equations.early,
            equations.constants,
            *inputs,
            written,
            [*wanted, *self.residuals],
        )
        self.backward = self._backward(name, capture, equations) if outputs.edges else None

    def _inputs_of(self, capture, equations, states):
        """The variables of states that are donated, of other states, and of all other inputs."""
        donated, kept, rest, self.rest = {}, {}, [], []
        for index, source in enumerate(capture.sources):
            if index not in equations.inputs or index >= self.outputs.first_cotangent:
                continue
            variable = equations.inputs[index]
            if source[0] == "state":
                reused = source[1] in states and capture.way is None
                (donated if reused else kept)[source[1]] = variable
            else:
                self.rest.append(source)
                rest.append(variable)
        return donated, kept, rest

    def _backward(self, name, capture, equations):
        """What computes the gradients that leave the program, once those of its results arrive."""
        first = self.outputs.first_cotangent
        late = [equations.inputs[index] for index in range(first, len(capture.sources))]
        return executable(
            f"{name}_backward",
            equations.late,
            equations.constants,
            donated=(),
            kept=[*self.residuals, *late],
            written=(),
            wanted=self.outputs.gradients,
        )

    # Guards -----------------------------------------------------------------------------------

    def stale(self, arguments) -> str | None:
        """Why this program does not fit the present state, or None if it does."""
        for index, argument in enumerate(arguments):
            expected = self.outputs.aliased.get(index)
            if argument._storage is not expected and (
                expected or argument._storage in self.storages
            ):
                return "whether an argument is also reached from elsewhere"
        for owner, empty in self.slots:
            if (owner._grad is None) is not empty:
                return "whether a .grad is None"
        for number, empty in self.argument_slots:
            if (arguments[number]._grad is None) is not empty:
                return "whether the .grad of an argument is None"
        changed = self.guards.changed()
        if changed is not None:
            return changed
        if self.count != changes.counter.count:
            count = changes.counter.count
            for tensor, before in self.tensors:
                if _dependent_state(tensor) != before:
                    return "requires_grad, a hook or the storage of a tensor"
            self.count = count
        return None

    # Running ----------------------------------------------------------------------------------

    def __call__(self, arguments):
        with _one_at_a_time:
            return self._commit(*self.forward(*self._inputs(arguments)), arguments)

    def attempt(self, arguments):
        """Run the program of a function that branches: the truth values it found on its way and,
        if they are the ones it was made for, what the function returns (else nothing is written).
        """
        with _one_at_a_time:
            written, made = self.forward(*self._inputs(arguments))
            first = self.outputs.count - len(self.told)
            found = [bool(array) for array in made[first : self.outputs.count]]
            if found != self.told:
                return found, None
            return found, self._commit(written, made, arguments)

    def _commit(self, written, made, arguments):
        result = self._write(written, made, arguments)
        has_extras = self.places or self.effects or self.told
        return self._finish(*result) if has_extras else result

    def rehearse(self, arguments):
        """The arrays that a call would give and write, without writing them: first the results."""
        with _one_at_a_time:
            donated, kept = self._inputs(arguments)
            written, made = self.forward(tuple(map(jnp.copy, donated)), kept)
        return *made[: len(made) - len(self.residuals)], *written

    def _finish(self, result, values, arguments_of_effects, asked):
        """Rebind the places, call the effects, and return what the function returned."""
        for place, new in zip(self.places, values, strict=True):
            place.set(new)
        if self.places:
            changes.touch()  # other programs may depend on what the entries held
        for function, arguments in zip(self.effects, arguments_of_effects, strict=True):
            function(*arguments)
        return result

    def _inputs(self, arguments):
        donated = [s.array if s.exclusive else self._own(s.array) for s in self.donated]
        donated += [gradient.memory(self.device) for gradient in self.reusing]
        kept = [s.array for s in self.kept]
        for source in self.rest:
            kind = source[0]
            if kind == "argument":
                kept.append(value(arguments[source[1]]))
            elif kind == "number":
                kept.append(source[1][source[2]])
            elif kind == "place":
                kept.append(source[1].leaf(source[2])._storage.array)
            else:
                kept.append(_owner(source[1], arguments, self)._grad._storage.array)
        return tuple(donated), tuple(kept)

    def _own(self, array):
        """A copy that no one else holds, on the program's device."""
        return (
            jax.device_put(array, self.device) if isinstance(array, np.generic) else jnp.copy(array)
        )

    def _write(self, written, made, arguments):
        arrays = iter(written)
        for storage in self.donated:
            put(storage, next(arrays))
        for gradient in self.reusing:
            gradient.put(next(arrays))
        for storage in self.other_states:
            put(storage, next(arrays))
        first = self.outputs.count
        last = first + len(self.grads)
        for gradient, array in zip(self.grads, made[first:last], strict=True):
            gradient.look()
            gradient.put(array)
        arriving = iter(made[last:])
        for sink in self.other_sinks:
            self._write_sink(sink, arriving, arguments)
        node = CompiledNode(self, list(arriving), arguments) if self.backward is not None else None
        return self.outputs.rebuild(made, arguments, node)

    def _write_sink(self, sink, arriving, arguments):
        if sink.kind == "argument":
            assign(arguments[sink.target], next(arriving))
            return
        owner = _owner(sink.target, arguments, self)
        if sink.kind == "argument_grad":
            owner._grad = wrap(next(arriving))
        elif sink.kind == "grad":
            assign(owner._grad, next(arriving))
        else:
            owner._grad = sink.value


def _aval(variable):
    aval = variable.aval
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _owner(owner, arguments, program):
    """The tensor whose slot it is: an outside one, or the argument that a stand-in stood for."""
    index = program.outputs.stand_ins.get(id(owner))
    return owner if index is None else arguments[index]


def _dependent_state(tensor):
    hooks = tuple(map(id, tensor_hooks(tensor)))
    return (tensor._requires_grad, id(tensor._storage), tensor._steps, hooks)


class Outputs:
    """What a capture gives back: results, sinks and, for the backward pass, gradients."""

    def __init__(self):
        self.results = []  # a Result for each leaf of what the function returned
        self.tree = None
        self.sinks = []
        self.edges = []  # where gradients go: tensors, or places in a graph made outside
        self.first_cotangent = 0
        self.count = 0  # how many of the outputs are returned tensors
        self.stand_ins = {}  # id of a stand-in -> number of the argument
        self.aliased = {}  # number of an argument -> its storage, if it was also reached otherwise
        self.forward = self.gradients = ()
        self.avals = []  # shape and dtype of the results that gradients can be sent to

    def rebuild(self, made, arguments, node):
        """The function's result, of this call's arrays."""
        leaves = [self._leaf(result, made, arguments, node) for result in self.results]
        return leaves[0] if self.tree is None else jax.tree.unflatten(self.tree, leaves)

    def _leaf(self, result, made, arguments, node):
        if result.kind == "tensor":
            tensor = wrap(made[result.value])
            if result.output is not None:
                tensor._node, tensor._output = node, result.output
            elif result.node_name is not None:
                tensor._node = SpentNode(result.node_name)
            elif result.requires_grad:
                tensor._requires_grad = True
            return tensor
        return arguments[result.value] if result.kind == "argument" else result.value


# Nodes --------------------------------------------------------------------------------------------


class CompiledNode(Node):
    """The backward pass of a compiled function whose results require gradients."""

    def __init__(self, program, residuals, arguments):
        targets = [
            target if isinstance(target, tuple) else edge_of(_owner(target, arguments, program))
            for target in program.outputs.edges
        ]
        super().__init__("CompiledFunctionBackward", tuple(targets))
        self.program, self.residuals = program, residuals
        self.count = len(program.outputs.avals)

    def apply(self, cotangents, create_graph):
        if self.residuals is None:
            raise freed_error()
        if create_graph:
            raise RuntimeError(
                "create_graph=True cannot go through a compiled forward pass: compile the whole "
                "step, "
                "with its backward() calls, or run this function eagerly."
            )
        where = devices.placement(self.residuals[0]) if self.residuals else None
        arrays = [
            devices.filled(*aval, 0, where) if c is None else value(c)
            for c, aval in zip(cotangents, self.program.outputs.avals, strict=True)
        ]
        _, made = self.program.backward((), (*self.residuals, *arrays))
        return [wrap(array) for array in made]

    def release(self):
        self.residuals = None


class SpentNode(Node):
    """Stands for a graph that was used up inside a compiled function."""

    def __init__(self, name):
        super().__init__(name, ())

    def apply(self, cotangents, create_graph):
        raise freed_error()
