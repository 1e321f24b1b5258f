"""A walk over the tape: nodes are visited by falling number.

Each gathers the gradients of its outputs from those that depend on it, lets the hooks see them, and
passes the gradients of its inputs on along its edges. Gradients are tensors; with `create_graph`
the backward operations are recorded like any others.
"""

import contextlib
import heapq
from typing import Any

from kuai.engine.autograd import blocks
from kuai.engine.autograd.arriving import (
    accumulate,
    add_gradients,
    converted,
    retain,
    run_hooks,
    run_output_hooks,
    run_pre_hooks,
)
from kuai.engine.autograd.running import OpNode
from kuai.engine.autograd.tape import AccumulateGrad, place_of
from kuai.engine.tensor import Tensor, modes, overriding, views, wrap
from kuai.engine.tensor.tensor import set_grad

__all__ = ["around_nodes", "walk"]

_NEAR = 16  # nodes
#: What surrounds the visit of each node: functions of a node that give a context. Profiles use it.
around_nodes: list[Any] = []


def walk(roots, gradients, retain_graph, create_graph, wanted=None, outside_hooks=True, since=None):
    """Send gradients from the roots down the tape.

    Args:
        wanted: edges whose gradients are to be returned (None where none arrived); leaves then keep
            their `.grad`. Without it, leaves add up what arrives.
        outside_hooks: whether hooks at the wanted edges see the gradients on this walk.
        since: do not go through nodes with a lower number, which belong to another walk.
    """
    recorder = None if modes.state.recorder is not None else _recorder_of(roots)
    state = modes.state
    previous = state.grad_enabled, state.walk
    try:
        state.grad_enabled = create_graph
        with recorder.again() if recorder is not None else contextlib.nullcontext():
            state.walk = _Walk(retain_graph, create_graph, wanted, outside_hooks, since)
            found = state.walk.run(roots, gradients)
            for act in state.walk.at_end:
                act()
            return found
    finally:
        state.grad_enabled, state.walk = previous


def _recorder_of(roots):
    """What has recorded the graph below some roots, if that can be seen near them."""
    waiting = [place_of(root) for root in roots]
    for _ in range(_NEAR):
        edge = waiting.pop() if waiting else None
        if edge is not None:
            if edge[0].recorder is not None:
                return edge[0].recorder
            waiting += edge[0].edges
    return None


class _Walk:
    """One pass over the tape."""

    def __init__(self, retain_graph, create_graph, wanted, outside_hooks, since):
        self.outside_hooks = outside_hooks
        self.checks = modes.state.block and modes.state.block.checks
        self.retain_graph, self.create_graph = retain_graph, create_graph
        self.arriving = {}  # node -> {output number: gradient}
        self.queue = []
        self.at_end = []  # what hooks want to be done when all nodes have been visited
        self.wanted = wanted
        self.roots, self.reached = (), None
        self.found = {} if wanted is None else {edge: None for edge in wanted}
        self.leads_to_wanted: Any = None if wanted is None else _leads_to(wanted, since)
        # a mode that is to be told what the steps are made of; it gives their gradients
        self.told = None if create_graph else overriding.told_of_backward()
        self.visits = None  # where they are noted, to know this pass the next time

    def run(self, roots, gradients):
        self.roots = [place_of(root) for root in roots]
        if self._may_be_known(roots):
            edge, array = self.roots[0], views.held(gradients[0])
            known = modes.state.recorder.known_pass(edge, array)
            if known is not None:
                self._follow(*known)
                return None
            self.visits = modes.state.recorder.visits(edge, array)
        for edge, gradient in zip(self.roots, gradients, strict=True):
            self.send(edge, gradient)
        while self.queue:
            node = heapq.heappop(self.queue)[2]
            if around_nodes:
                self.visit_inside(node, self.arriving.pop(node))
            else:
                self.visit(node, self.arriving.pop(node))
        if self.visits is not None:
            self.visits.learn()
        if self.wanted is not None:
            return [self.found[edge] for edge in self.wanted]
        return None

    def _may_be_known(self, roots) -> bool:
        state = modes.state
        recorded = state.recorder is not None and state.capture is None and state.block is None
        plain = state.around is None and self.wanted is None and not self.create_graph
        plain = plain and not around_nodes and self.told is None
        return recorded and plain and len(roots) == 1

    def _follow(self, nodes, gradients):
        """What is left to do where the steps of a pass were known."""
        inner = len(nodes) - len(gradients)
        for node, array in zip(nodes[inner:], gradients, strict=True):
            leaf, gradient = node.variable, wrap(array)
            if leaf._grad_dtype is not None:
                gradient = converted(gradient, *leaf._grad_dtype)
            set_grad(leaf, gradient)
        if not self.retain_graph:
            for node in nodes[:inner]:
                node.release()

    def send(self, edge, gradient):
        """Have a gradient arrive at an edge's node."""
        node, output = edge
        gathered = self.arriving.get(node)
        if gathered is None:
            self.arriving[node] = {output: gradient}
            heapq.heappush(self.queue, (-node.sequence, id(node), node))  # copies are as old
        elif gathered.get(output) is None:
            gathered[output] = gradient
        else:
            gathered[output] = add_gradients(gathered[output], gradient)
            if self.visits is not None:
                self.visits.sums += 1

    def visit_inside(self, node, gathered):
        with contextlib.ExitStack() as stack:
            for context in around_nodes:
                stack.enter_context(context(node))
            self.visit(node, gathered)

    def visit(self, node, gathered):
        goes_on = True
        if self.wanted is not None:
            goes_on, is_wanted = self.leads_to_wanted(node), self._is_wanted(node, gathered)
            if goes_on and is_wanted:  # as in PyTorch: what is wanted on the way has no hooks yet
                self._find(node, gathered)
            elif not goes_on and not is_wanted:
                return
        if isinstance(node, AccumulateGrad) and (wanted := node.variable._grad_dtype) is not None:
            if gathered[0] is not None:
                gathered = {0: converted(gathered[0], *wanted)}
            self.visits = None
        if self.visits is not None and not self.visits.note(node, gathered):
            self.visits = None
        if node.output_hooks is not None and (
            self.outside_hooks or not self._is_wanted(node, gathered)
        ):
            run_output_hooks(node, gathered)
        if node.retained is not None:
            retain(node, gathered)
        if not goes_on:
            self._find(node, gathered)
            return
        if isinstance(node, AccumulateGrad):
            if gathered[0] is not None:
                self.accumulate(node, gathered[0])
            return
        cotangents = [gathered.get(i) for i in range(node.count)]
        if node.pre_hooks:
            cotangents = run_pre_hooks(node, cotangents)
            if isinstance(node, OpNode) and not any(c is not None for c in cotangents):
                return
        told = None if self.told is None else self.told(node, cotangents)
        if told is not None:
            made = told
        elif self.checks is None and node.block is None:
            made = node.apply(cotangents, self.create_graph)
        else:
            made = blocks.backward(node, cotangents, self.create_graph, self.checks)
        if node.hooks:
            made = run_hooks(node, made, cotangents)
        if not self.retain_graph:
            node.release()
        for edge, gradient in zip(node.edges, made, strict=True):
            if edge is not None and gradient is not None:
                self.send(edge, gradient)

    def _find(self, node, gathered):
        for output, gradient in gathered.items():
            if (node, output) in self.found:
                self.found[node, output] = gradient

    def will_visit(self, node) -> bool:
        """Whether gradients go through a node on this walk."""
        if self.reached is None:
            self.reached, stack = set(), [edge[0] for edge in self.roots]
            while stack:
                one = stack.pop()
                if one not in self.reached:
                    self.reached.add(one)
                    stack += [edge[0] for edge in one.edges if edge is not None]
        if node not in self.reached:
            return False
        if self.wanted is None or any(node is edge[0] for edge in self.wanted):
            return True
        return self.leads_to_wanted(node)

    def _is_wanted(self, node, gathered):
        return any((node, output) in self.found for output in gathered)

    def accumulate(self, node, gradient):
        if node.pre_hooks:
            (gradient,) = run_pre_hooks(node, [gradient])
        accumulate(node.variable, gradient, self.create_graph)
        if node.post_accumulate:
            for hook in tuple(node.post_accumulate.values()):
                _check_returned(hook, hook(node.variable), node.variable)
        if node.hooks:
            run_hooks(node, [], [gradient])


def _check_returned(hook, made, variable):
    """A hook after accumulation may return nothing, or the tensor it was given."""
    if made is None or made is variable:
        return
    if not isinstance(made, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(made).__name__}'")
    if made.shape != variable.shape:
        raise RuntimeError(f"hook '{hook.__name__}' has changed the size of value")
    raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def _leads_to(wanted, since):
    """A memoised test: does a node lead, along its edges, to one of the wanted edges?

    Nodes with a number below `since` are not asked: they count as leading nowhere.
    """
    targets, known = set(wanted), {}

    def leads(start):
        stack = [start]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            if since is not None and node.sequence < since:
                known[stack.pop()] = False
                continue
            following = [edge for edge in node.edges if edge is not None]
            waiting = [n for n, _ in following if n not in known]
            if waiting:
                stack.extend(waiting)
                continue
            known[node] = any(edge in targets or known[edge[0]] for edge in following)
            stack.pop()
        return known[start]

    return leads
