"""Hooks for what the tape saves: packed when an operation has run, unpacked in its backward pass.

What an operation saves is what `jax.vjp` keeps: inputs, results, and things in between (see
`running`). Inputs and results are tensors, and are packed. Where there is something in between, the
inputs that the backward pass depends on are packed instead, and it is computed again from them: so
whatever the tape would hold in memory goes through the hooks, and second derivatives need no more.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from kuai.engine.autograd.residuals import OpenLayout
from kuai.engine.autograd.running import (
    Operation,
    OpNode,
    Residuals,
    perform_row,
    run,
    second_derivative,
)
from kuai.engine.autograd.tape import edge_of, freed_error
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.calls import plainly
from kuai.engine.tensor.views import held, outline

__all__ = ["InputsNode", "Packed", "Packing", "needed_by"]

_IN_PLACE = (
    "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack "
    "hook cannot be modified by in-place operations as this can lead to unexpected side-effects. "
    "Please open an issue if you need to perform in-place operations on the input to a pack hook."
)


class Packed:
    """A saved tensor as a hook has packed it."""

    __slots__ = ("content", "edge", "unpack_hook")

    def __init__(self, tensor: Tensor, pack, unpack, edge=None):
        state = modes.state
        before = tensor._storage.version
        around, state.around = state.around, None
        recording, state.grad_enabled = state.grad_enabled, False
        try:
            self.content = pack(tensor)
        finally:
            state.around, state.grad_enabled = around, recording
        if tensor._storage.version != before:
            raise RuntimeError(_IN_PLACE)
        self.unpack_hook, self.edge = unpack, edge

    def unpack(self) -> Tensor:
        """The tensor again, at its place in the graph if it has one."""
        around, modes.state.around = modes.state.around, None
        try:
            found = self.unpack_hook(self.content)
        finally:
            modes.state.around = around
        if not isinstance(found, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found).__name__}"
            )
        if self.edge is None:
            return found
        made = Tensor._share(found)
        made._node, made._output = self.edge
        return made


class Packing:
    """Runs operations, and has what they save packed."""

    def __init__(self, pack, unpack):
        self.pack, self.unpack = pack, unpack

    def run(self, operation, key, make_function, values):
        """The operation's results; what its node has saved is packed."""
        values = list(values)
        state = modes.state
        state.around = None
        try:
            results = run(operation, key, make_function, values)
            made = results if isinstance(results, tuple) else (results,)
            self._pack(operation, values, made)
        finally:
            state.around = self
        return results

    def keep(self, tensors):
        """Tensors that a user's function saves."""
        return _KeptTensors(
            [t if t is None else Packed(t, self.pack, self.unpack, edge_of(t)) for t in tensors]
        )

    def _pack(self, operation, values, made):
        """Pack what is saved but the first values if they are random numbers' seeds."""
        keys = 2 * getattr(operation, "random", False)
        node = next((t._node for t in made if t._node is not None), None)
        if not isinstance(node, OpNode) or not node.residuals.leaves:
            return
        layout = node.residuals.layout = _closed(node.residuals.layout, node)
        kind = InputsNode if modes.state.levels or _is_between(layout) else ResidualsNode
        packed = kind(node, values, made, self, keys, _second_first(operation, values))
        for number, tensor in enumerate(made):
            if tensor._node is node:
                tensor._node, tensor._output = packed, number


def _closed(layout, node):
    """The layout for the sizes at hand, so that what is packed does not depend on earlier calls."""
    if type(layout) is not OpenLayout:
        return layout
    closed = layout.second.get("closed")
    if closed is None:
        with plainly():
            traced = jax.eval_shape(node.entry.forward.function, *map(_struct, node.arrays))
        closed = layout.second["closed"] = traced[1].layout
    return closed


#: Second parameters that PyTorch saves before `self`: it goes by the alphabet.
_BEFORE_SELF = frozenset({"batch2", "exponent", "mat2", "other"})


def _second_first(operation, values) -> bool:
    """Whether PyTorch packs the second input of an operation before the first."""
    if min(len(getattr(operation, "names", ())), len(values)) < 2:
        return False
    second = operation.names[1]
    if second not in _BEFORE_SELF or not isinstance(values[1], Tensor):
        return False
    return second != "other" or operation.name != "matmul" or values[1].ndim > 1


def _in_order(places, second_first):
    """The places of what is saved, the second input before the first if PyTorch has it so."""
    if not second_first:
        return range(len(places))
    return sorted(range(len(places)), key=lambda place: _swapped(places[place]))


def _swapped(place: int) -> int:
    return 1 - place if place in (0, 1) else place


def _is_between(layout) -> bool:
    """Whether something is saved that is neither an input nor a result."""
    return any(s < 0 and r < 0 for s, r in zip(layout.sources, layout.repeats, strict=True))


class _KeptTensors:
    """Tensors that a user's function has saved, packed."""

    def __init__(self, packed):
        self.packed = packed

    def tensors(self):
        """The tensors again."""
        return tuple([p if p is None else p.unpack() for p in self.packed])


class _PackedNode(OpNode):
    """An operation of which packed tensors are saved instead of arrays."""

    is_untouched = False
    saved: list | Any  # None once it is freed

    def __init__(self, node, values, made, hooks=None, keys=0, second_first=False):
        self.__dict__.update(node.__dict__)
        self.layout, self.single = node.residuals.layout, len(made) == 1
        self.edge_at = dict(zip(self.entry.differentiable, self.edges, strict=True))
        self.needed = needed_by(self, self.layout) if type(self) is InputsNode else frozenset()
        self.residuals = Residuals([], self.layout)
        self.order = _in_order(self.places(len(values)), second_first)
        self.saved = self.save(values, made, hooks, keys)
        self.arrays = self.saved

    def release(self):
        if self.saved is not None and any(isinstance(value, Packed) for value in self.saved):
            self.saved = self.arrays = None

    def unpacked(self):
        """What was saved, as tensors and numbers."""
        if self.saved is None:
            raise freed_error()
        made = list(self.saved)
        for place in self.order:
            if isinstance(made[place], Packed):
                made[place] = made[place].unpack()
        return made


class ResidualsNode(_PackedNode):
    """One that saves inputs and results only: they are all its backward pass needs."""

    def places(self, inputs):
        """Where each leaf comes from: results are after inputs, in the order that they have."""
        both = zip(self.layout.sources, self.layout.repeats, strict=True)
        return [source if source >= 0 else inputs + repeat for source, repeat in both]

    def save(self, values, made, hooks, keys):
        """The leaves of what `jax.vjp` keeps."""
        sources, repeats = self.layout.sources, self.layout.repeats
        saved: list[Any] = [None] * len(sources)
        for place in self.order:
            source, repeat = sources[place], repeats[place]
            if source >= 0:
                value, edge = values[source], self.edge_at.get(source)
            else:
                value, edge = made[repeat].detach(), (self, repeat)
            if isinstance(value, Tensor):
                value = Packed(value, hooks.pack, hooks.unpack, edge)
            saved[place] = value
        return saved

    def apply(self, cotangents, create_graph):
        leaves = self.unpacked()
        given = tuple(c is not None for c in cotangents)
        arriving = [c for c in cotangents if c is not None]
        if not create_graph and modes.state.around is None:
            call = self.layout.backward_for(given)
            arrays = [held(x) if isinstance(x, Tensor) else x for x in (*leaves, *arriving)]
            return [wrap(array) for array in perform_row(call, arrays)]
        operation = self.layout.second.get(("leaves", given))
        if operation is None:
            name = f"{self._name.removesuffix('0')}Backward0"
            operation = Operation(self.layout.name, name, in_entry=True)
            self.layout.second["leaves", given] = operation
        function = self.layout.backward_for(given).function
        return list(run(operation, None, lambda: function, [*leaves, *arriving]))


class InputsNode(_PackedNode):
    """One that saves the inputs its backward pass depends on, and computes the rest again."""

    def places(self, inputs):
        """Where what is saved comes from: each input is."""
        return range(inputs)

    def save(self, values, made, hooks, keys):
        """The inputs; those that nothing depends on by shape and dtype only."""
        saved = list(values)
        for position in self.order:
            value = values[position]
            if isinstance(value, Tensor) and position >= keys:
                edge = self.edge_at.get(position)
                value = (
                    Packed(value, hooks.pack, hooks.unpack, edge)
                    if position in self.needed
                    else _Outline(value)
                )
            saved[position] = value
        return saved

    def apply(self, cotangents, create_graph):
        if self.saved is None:
            raise freed_error()
        return self._apply_recorded(cotangents)

    def _inputs(self):
        made = [v.zeros() if isinstance(v, _Outline) else v for v in self.unpacked()]
        for position, tangents in (self.tangents or {}).items():
            made[position] = Tensor._share(made[position])
            made[position]._node, made[position]._output = self.edge_at.get(position, (None, 0))
            made[position]._tangents = tangents
        return made


class _Outline:
    """An input of which only shape and dtype count."""

    def __init__(self, tensor):
        array = outline(tensor)
        self.shape, self.dtype = array.shape, array.dtype

    def zeros(self):
        """A tensor of that shape."""
        return wrap(jnp.zeros(self.shape, self.dtype))


def needed_by(node, layout) -> frozenset:
    """The positions of the inputs that the backward pass of an operation depends on."""
    found = layout.second.get("needed")
    if found is None:
        given = tuple(kind.kind in "fcV" for _, kind in layout.outputs)
        cotangents = [jax.ShapeDtypeStruct(*o) for o, there in zip(layout.outputs, given,
                      strict=True) if there]  # fmt: skip
        count = len(node.arrays)
        function = second_derivative(node.entry, layout, given, count)
        values = [_struct(array) for array in node.arrays]
        found = layout.second["needed"] = _used(function, [*values, *cotangents], count)
    return found


def _struct(array):
    return jax.ShapeDtypeStruct(array.shape, array.dtype) if hasattr(array, "shape") else array


def _used(function, values, count):
    """Which of the first arguments the results depend on, as far as its jaxpr shows."""
    jaxpr = jax.make_jaxpr(function)(*values).jaxpr
    _, used = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return frozenset(i for i, there in enumerate(used[:count]) if there)
