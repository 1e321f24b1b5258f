"""The tape: nodes that remember how a tensor was made, and how to send gradients back.

A node knows its `edges`, one per differentiable input: `(node, output number)` of whoever made that
input, `(AccumulateGrad, 0)` for a leaf, or None. Nodes are numbered in the order they are made, so
going through reachable nodes by falling number visits each after everything that depends on it.

What a node saves are arrays, which are immutable: in-place changes of the inputs never disturb it.
The node of an ordinary operation is `running.OpNode`, that of a user's `Function` is in `function`.
"""

import copy
import itertools
import weakref
from collections import OrderedDict
from typing import Any, NamedTuple

from kuai.engine.autograd.handles import RemovableHandle, hang
from kuai.engine.tensor import Tensor, changes, devices, method, views
from kuai.engine.tensor.attributes import own

__all__ = ["AccumulateGrad", "GradientEdge", "Node", "counter", "edge_of"]
__all__ += ["freed_error", "place_of", "retain_at_node"]

counter = itertools.count()  # of nodes


def freed_error() -> RuntimeError:
    """What PyTorch says when a graph is walked again after it has been freed."""
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they "
        "have already been freed). Saved intermediate values of the graph are freed when you call "
        ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
        "through the "
        "graph a second time or if you need to access saved tensors after calling backward."
    )


class Node:
    """One recorded step. `next_functions` are the nodes its gradients go to."""

    hooks: dict | None = None  # after: (grad_inputs, grad_outputs) -> grad_inputs
    pre_hooks: dict | None = None  # before: (grad_outputs,) -> grad_outputs
    output_hooks: dict | None = None  # output number -> {id: hook} of that output's tensor
    count = 1  # how many outputs it has
    is_untouched = False  # whether it is an operation's, and its memory as the operation left it
    block = None  # the block it was recorded in, where that is followed (see `blocks`)
    recorder = None  # what its operation was recorded by, if it was not run at once
    retained: dict | None = None  # output number -> weak reference to a tensor with retain_grad()
    is_shared = False  # whether the nodes before it are those of other results, too

    def __init__(self, name: str, edges: tuple):
        self._name = name
        self.edges = edges
        self.sequence = next(counter)

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's notes."""
        return self.__dict__.setdefault("_metadata", {})

    def name(self) -> str:
        """The name of the backward operation, such as `AddmmBackward0`."""
        return self._name

    def _sequence_nr(self) -> int:
        """How many nodes were recorded before this one."""
        return self.sequence

    @property
    def next_functions(self) -> tuple:
        """The nodes this one passes gradients to, each with the number of its output."""
        self.show_edges()
        return tuple((None, 0) if edge is None else edge for edge in self.edges)

    def another(self) -> "Node":
        """A node that does the same, for another result. The nodes before it become its own when
        somebody looks at them, who may register something there."""
        made = object.__new__(type(self))  # as `copy.copy`, which looks for more ways
        vars(made).update(vars(self))
        made.is_shared = True
        return made

    def show_edges(self) -> None:
        """Have nodes of its own before it."""
        if self.is_shared:
            self.is_shared = False
            self.edges = _copied(self).edges

    def __repr__(self):
        return f"<{self._name.rpartition('::')[2]} object at {id(self):#x}>"

    def apply(self, cotangents: list, create_graph: bool) -> list:
        """Gradients of the inputs, given those of the outputs (None where there is none)."""
        raise NotImplementedError

    def output_type(self, number: int) -> tuple:
        """Shape and dtype of an output, and where it lies."""
        raise NotImplementedError

    def release(self) -> None:
        """Forget what was saved for the backward pass."""

    def register_hook(self, hook):
        """Have `hook(grad_inputs, grad_outputs)` called after this node; returns a removable
        handle."""
        if self.hooks is None:
            self.hooks = OrderedDict()
        return hang(self.hooks, hook)

    def register_prehook(self, hook):
        """Have `hook(grad_outputs)` called before this node; returns a removable handle."""
        if self.pre_hooks is None:
            self.pre_hooks = OrderedDict()
        return hang(self.pre_hooks, hook)


class GradientEdge(NamedTuple):
    """A place in the graph: an output of a node. It stands for a tensor in `autograd.grad`."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def _copied(root):
    """A graph's copy, down to the leaves."""
    made, stack = {root: copy.copy(root)}, [root]
    while stack:
        for edge in filter(None, stack.pop().edges):
            node = edge[0]
            if node not in made and not isinstance(node, AccumulateGrad):
                made[node] = copy.copy(node)
                stack.append(node)
    for copied in made.values():
        edges = copied.edges
        copied.edges = tuple([e if e is None else (made.get(e[0], e[0]), e[1]) for e in edges])
    return made[root]


_LAST = 1 << 62  # nodes of leaves come last, when all that is to be added has arrived


class AccumulateGrad(Node):
    """The end of the tape: adds what arrives to a leaf's `.grad`."""

    post_accumulate: dict | None = None
    _name = "torch::autograd::AccumulateGrad"
    edges = ()

    def __init__(self, variable: Tensor):  # in a step there is one for each parameter
        self.sequence = next(counter) - _LAST
        self.variable = variable

    def output_type(self, number: int) -> tuple:
        array = views.outline(self.variable)
        return array.shape, array.dtype, devices.placement(array)

    def register_hook(self, hook):
        """As for any node; the leaf knows of it, for proofs that look at no node."""
        own(self.variable)["_node_hooked"] = True
        return super().register_hook(hook)

    def register_prehook(self, hook):
        """As for any node; the leaf knows of it."""
        own(self.variable)["_node_hooked"] = True
        return super().register_prehook(hook)

    def __repr__(self):
        return f"<AccumulateGrad object at {id(self):#x}>"


def accumulator_of(tensor: Tensor) -> AccumulateGrad:
    """The node that adds gradients to a leaf; it lives as long as a graph or a hook holds it."""
    held = tensor._accumulator
    node = held() if held is not None else None
    if node is None:
        node = AccumulateGrad(tensor if tensor._specified is None else tensor._specified)
        tensor._accumulator = weakref.ref(node)
    return node


def edge_of(tensor: Tensor) -> Any:
    """Where a gradient with respect to `tensor` goes, or None if it does not require one."""
    node = tensor._node if tensor._base is None else tensor.grad_fn
    if node is not None:
        return (node, tensor._output)
    return (accumulator_of(tensor), 0) if tensor._requires_grad else None


def place_of(root) -> Any:
    """As `edge_of`, for a tensor or a `GradientEdge`."""
    return tuple(root[:2]) if type(root) is GradientEdge else edge_of(root)


@method
def register_hook(self: Tensor, hook) -> RemovableHandle:
    """Have `hook(grad)` called when the gradient of this tensor is computed; it may return another.

    Returns:
        A handle whose `remove()` takes the hook away.
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node, output = edge_of(self)
    if isinstance(node, AccumulateGrad):
        own(self)["_hooked"] = node  # a hook on a leaf must outlive the graph
        changes.touch()
    if node.output_hooks is None:
        node.output_hooks = {}
    return hang(node.output_hooks.setdefault(output, OrderedDict()), hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook) -> RemovableHandle:
    """Have `hook(tensor)` called after a gradient has been added to this leaf's `.grad`."""
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = accumulator_of(self)
    own(self)["_hooked"] = node
    if node.post_accumulate is None:
        node.post_accumulate = OrderedDict()
    return hang(node.post_accumulate, hook)


@method
def retain_grad(self: Tensor) -> None:
    """Keep this non-leaf tensor's gradient in `.grad` during `backward()`."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.is_leaf or self._retains_grad:
        return
    self._retains_grad = True
    retain_at_node(self, *edge_of(self))


def retain_at_node(tensor: Tensor, node: Node, output: int) -> None:
    """Have a node put the gradient of one of its outputs into the tensor's `.grad`."""
    if node.retained is None:
        node.retained = {}
    node.retained[output] = weakref.ref(tensor)
