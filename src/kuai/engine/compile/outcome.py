"""The outcome of a capture: everything that leaves the trace, in the order of its outputs.

First the returned tensors, then what is written to tensors outside (states, gradients, arguments),
and last, if returned tensors require gradients, the gradients that go to tensors outside once
gradients of the returned ones arrive.
"""

import jax
import jax.numpy as jnp

from kuai.engine.autograd.backward import walk
from kuai.engine.autograd.tape import AccumulateGrad
from kuai.engine.compile.program import Result, Sink
from kuai.engine.tensor import Tensor, wrap
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.views import value

__all__ = ["gather"]


def gather(capture, outputs, result, stand_ins):
    """All arrays that leave the trace, in order: results, states, other sinks, gradients."""
    leaves, tree = jax.tree.flatten(result, is_leaf=is_tensor_leaf)
    outputs.tree = None if isinstance(result, Tensor) else tree
    returned, roots = [], []
    boundary = _Boundary(capture, outputs)
    for leaf in leaves:
        outputs.results.append(_result(capture, outputs, leaf, returned, roots, boundary))
    outputs.count = len(returned)
    sunk = _sinks(capture, outputs, stand_ins)
    outputs.first_cotangent = len(capture.sources)
    gradients = _gradients(capture, outputs, roots, boundary)
    return [jnp.asarray(a) for a in (*returned, *sunk, *gradients)]


def _result(capture, outputs, leaf, returned, roots, boundary):
    if not isinstance(leaf, Tensor):
        return Result("constant", leaf)
    if id(leaf) in outputs.stand_ins:
        return Result("argument", outputs.stand_ins[id(leaf)])
    if (
        leaf._storage.home is not capture
        and leaf._base is None
        and leaf._node is None
        and leaf._steps is None
    ):
        return Result("same", leaf)
    returned.append(value(leaf))
    number = len(returned) - 1
    node = leaf.grad_fn
    if node is None:
        return Result("tensor", number, leaf._requires_grad)
    if not boundary.reach(node):
        return Result("tensor", number, True, node.name())
    roots.append(leaf)
    return Result("tensor", number, True, output=len(roots) - 1)


class _Boundary:
    """Where the graph of the returned tensors leaves the capture."""

    def __init__(self, capture, outputs):
        self.capture, self.outputs = capture, outputs
        self.edges = {}  # edge -> tensor or edge that gradients go to
        self.known = {}  # node -> whether nothing it leads to has been freed

    def reach(self, root) -> bool:
        """Note the edges below a node; whether its graph can still be walked."""
        stack = [root]
        while stack:
            node = stack.pop()
            if node in self.known:
                continue
            self.known[node] = not _is_freed(node)
            if not self.known[node]:
                self.known[root] = False
                return False
            for edge in node.edges:
                if edge is not None and not self._leaves(edge):
                    if self.known.get(edge[0]) is False:
                        self.known[root] = False
                        return False
                    stack.append(edge[0])
        return True

    def _leaves(self, edge) -> bool:
        node = edge[0]
        if isinstance(node, AccumulateGrad):
            variable = node.variable
            if variable._storage.home is not self.capture or id(variable) in self.outputs.stand_ins:
                self.edges[edge] = variable
            return True
        if node.sequence < self.capture.first_sequence:
            self.edges[edge] = edge
            return True
        return False


def _is_freed(node) -> bool:
    return (
        getattr(node, "residuals", ()) is None
        or getattr(getattr(node, "ctx", None), "_saved", ()) is None
    )


def _gradients(capture, outputs, roots, boundary):
    """The backward pass of the returned tensors, traced with gradients yet to arrive."""
    if not roots or not boundary.edges:
        return []
    arriving = []
    for root in roots:
        array = value(root)
        outputs.avals.append((array.shape, array.dtype))
        arriving.append(wrap(capture.new_input(("cotangent",), array.shape, array.dtype)))
    edges = list(boundary.edges)
    since = capture.first_sequence
    found = walk(roots, arriving, True, False, edges, outside_hooks=False, since=since)
    pairs = [(edge, made) for edge, made in zip(edges, found, strict=True) if made is not None]
    outputs.edges = [boundary.edges[edge] for edge, _ in pairs]
    return [value(made) for _, made in pairs]


def _sinks(capture, outputs, stand_ins):
    """Arrays that are written to tensors outside: states, then new gradients, then the rest."""
    argument_of = {id(s._storage): i for i, s in reversed(list(enumerate(stand_ins)))}
    gradients = {id(o._grad._storage): o for kind, o, *_ in capture.sources if kind == "grad"}
    states, new_grads, others = [], [], []
    for storage, double in capture.written.items():
        if id(double) in argument_of:
            continue
        owner = gradients.get(id(storage))
        if owner is None:
            states.append((Sink("state", storage), double.array))
        else:
            others.append((Sink("grad", owner), double.array))
    for index, stand_in in enumerate(stand_ins):
        if stand_in._storage.version and argument_of[id(stand_in._storage)] == index:
            others.append((Sink("argument", index), stand_in._storage.array))
    for slot in capture.slots.values():
        if slot.written and not _is_unchanged(slot):
            sink, array = _slot_sink(capture, outputs, slot)
            (new_grads if sink.kind == "new_grad" else others).append((sink, array))
    every = [*states, *new_grads, *others]
    outputs.sinks = [sink for sink, _ in every]
    return [array for _, array in every if array is not None]


def _is_unchanged(slot) -> bool:
    """Whether a slot was given the gradient it had, or a window on the same memory.

    Which tensor that is, is another matter at every call.
    """
    before, now = slot.initial, slot.current
    known = slot.read and before is not None and now is not None
    return known and now._storage is before._storage and now._steps == before._steps


def _slot_sink(capture, outputs, slot):
    current = slot.current
    if current is None:
        return Sink("no_grad", slot.owner), None
    if current._storage.home is capture and id(current) not in outputs.stand_ins:
        of_argument = id(slot.owner) in outputs.stand_ins
        return Sink("argument_grad" if of_argument else "new_grad", slot.owner), value(current)
    return Sink("same_grad", slot.owner, current), None
