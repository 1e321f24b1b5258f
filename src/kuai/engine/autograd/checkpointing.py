"""checkpoint: save the arguments of a function instead of everything computed in it.

Forward, the function runs as usual; then the graph it made is thrown away but for the edges that
lead out of it, which become those of one node. Backward, that node runs the function again on the
saved arguments, with the same random numbers and modes, and walks the new graph down to the same
edges. So tensors that the function closes over get their gradients too.

Inside a compiled step XLA would notice that the second run computes what the first did, and keep
the first one's results after all. Hence the arguments go through an optimization barrier together
with the arriving gradients, as `jax.checkpoint` has it: the second run cannot begin earlier.
"""

import contextlib
import functools

import jax
import jax.numpy as jnp

from kuai.engine.autograd.backward import walk
from kuai.engine.autograd.tape import AccumulateGrad, Node, edge_of, freed_error
from kuai.engine.tensor import Tensor, modes, randomness, wrap
from kuai.engine.tensor.calls import Call, is_pending, perform
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.devices import device_of
from kuai.engine.tensor.views import held, outline
from kuai.errors import RecomputationError

__all__ = ["checkpoint"]


def checkpoint(
    function,
    *args,
    use_reentrant=None,
    context_fn=None,
    determinism_check="default",
    debug=False,
    early_stop=True,
    preserve_rng_state=True,
    **kwargs,
):
    """Run a function without keeping what its backward pass needs: it is computed again there.

    Args:
        function: takes `args` and `kwargs`; it is run a second time during the backward pass.
            Inside a compiled step large tensors save memory only if they are passed as arguments.
        use_reentrant, debug, early_stop: accepted for PyTorch's sake; there is one implementation.
        context_fn: returns two context managers, for the first and the second run.
        determinism_check: "default" compares shapes and dtypes of both runs, "none" does not.
        preserve_rng_state: draw the same random numbers in the second run.

    As in PyTorch, a batch norm inside updates its running statistics in both runs.

    Example:
        >>> x = kuai.ones(3, requires_grad=True)
        >>> y = kuai.utils.checkpoint.checkpoint(lambda a: a.sin().exp(), x, use_reentrant=False)
        >>> y.sum().backward()
        >>> x.grad.shape
        torch.Size([3])
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    contexts = (contextlib.nullcontext(), contextlib.nullcontext())
    first, second = contexts if context_fn is None else context_fn()
    if not modes.state.grad_enabled:
        with first:
            return function(*args, **kwargs)
    states = randomness.current_states() if preserve_rng_state else []
    start = Node("checkpoint", ()).sequence
    with first:
        result = function(*args, **kwargs)
    again = _Again(function, (args, kwargs), states, second, determinism_check == "default")
    return _with_node(result, start, again)


def _with_node(result, start, again):
    """The function's result with one node in the place of the graph that made it."""
    leaves, tree = jax.tree.flatten(result, is_leaf=is_tensor_leaf)
    again.numbers = [i for i, leaf in enumerate(leaves) if _is_made_since(leaf, start)]
    if not again.numbers:
        return result
    outputs = [leaves[i] for i in again.numbers]
    again.avals = [(outline(o).shape, outline(o).dtype) for o in outputs]
    node = CheckpointNode(again, _edges_out([o.grad_fn for o in outputs], start))
    for number, (i, output) in enumerate(zip(again.numbers, outputs, strict=True)):
        leaves[i] = Tensor._share(output)
        leaves[i]._node, leaves[i]._output = node, number
    return jax.tree.unflatten(tree, leaves)


def _is_made_since(leaf, start):
    return isinstance(leaf, Tensor) and leaf.grad_fn is not None and leaf.grad_fn.sequence > start


def _edges_out(nodes, start):
    """The edges that lead from the nodes made since `start` to those made before."""
    found, seen, stack = {}, set(nodes), list(nodes)
    while stack:
        for edge in stack.pop().edges:
            if edge is None:
                continue
            node = edge[0]
            if isinstance(node, AccumulateGrad) or node.sequence < start:
                found[edge] = None
            elif node not in seen:
                seen.add(node)
                stack.append(node)
    return tuple(found)


class _Again:
    """What is needed to run a function a second time."""

    def __init__(self, function, arguments, states, context, checks):
        self.function, self.states, self.context = function, states, context
        self.checks = checks
        leaves, self.tree = jax.tree.flatten(arguments, is_leaf=is_tensor_leaf)
        self.leaves = [_Saved(x) if isinstance(x, Tensor) else x for x in leaves]
        self.autocast = modes.state.autocast
        self.numbers, self.avals = [], []

    def run(self, cotangents):
        """The outputs that gradients can be sent to, made once more."""
        args, kwargs = jax.tree.unflatten(self.tree, self._arguments(cotangents))
        state = modes.state
        before = state.grad_enabled, state.autocast
        state.grad_enabled, state.autocast = True, self.autocast
        try:
            with randomness.replay(self.states), self.context:
                result = self.function(*args, **kwargs)
        finally:
            state.grad_enabled, state.autocast = before
        leaves = jax.tree.leaves(result, is_leaf=is_tensor_leaf)
        outputs = [leaves[i] for i in self.numbers if i < len(leaves)]
        if self.checks:
            self._check(outputs)
        return outputs

    def _arguments(self, cotangents):
        saved = [leaf for leaf in self.leaves if isinstance(leaf, _Saved)]
        arrays = [leaf.array for leaf in saved]
        arriving = [held(c) for c in cotangents if c is not None]
        if _is_part_of_a_program((*arrays, *arriving)):
            arrays = _after(arrays, arriving)
        made = iter([leaf.tensor(array) for leaf, array in zip(saved, arrays, strict=True)])
        return [next(made) if isinstance(leaf, _Saved) else leaf for leaf in self.leaves]

    def _check(self, outputs):
        found = [(outline(o).shape, outline(o).dtype) for o in outputs]
        if found != self.avals:
            raise RecomputationError(self.avals, found)


def _together(gradients):
    """Traced gradients, none of which XLA can have before all the others.

    Otherwise it may leave the weights' gradients to the end, and keep what they are made of.
    """
    there = [(i, held(g)) for i, g in enumerate(gradients) if g is not None]
    arrays = [array for _, array in there]
    if not _is_part_of_a_program(arrays):
        return gradients
    made = list(gradients)
    for (i, _), array in zip(there, _after(arrays, arrays), strict=True):
        made[i] = wrap(array)
    return made


def _is_part_of_a_program(arrays) -> bool:
    """Whether any of the arrays is traced or recorded."""
    return any(isinstance(array, jax.core.Tracer) or is_pending(array) for array in arrays)


def _after(arrays, others):
    """The arrays, in a way that XLA cannot have them before the others."""
    on_cpu = device_of(others[0]).type == "cpu" if others else False
    return perform(_barrier(len(arrays), on_cpu), [*arrays, *others])


@functools.lru_cache(maxsize=256)
def _barrier(count, on_cpu):
    def barrier(*arrays):
        return _held_back(arrays[:count], arrays[count:], on_cpu)

    return Call(jax.jit(barrier), "recompute_after")


def _held_back(arrays, others, on_cpu):
    """The arrays behind an optimization barrier.

    XLA's CPU compiler drops optimization barriers before it schedules, so there the arrays also
    depend on comparisons whose outcome it does not foresee.
    """
    arrays, others = jax.lax.optimization_barrier((list(arrays), list(others)))
    firsts = [jnp.ravel(jnp.real(a))[0].astype(jnp.float32) for a in others if a.size]
    if not firsts or not on_cpu:
        return arrays
    never = functools.reduce(jnp.logical_or, [jnp.sin(first) > 2 for first in firsts])
    return [jnp.where(never, jnp.zeros_like(array), array) for array in arrays]


class _Saved:
    """A tensor among the arguments: its values then, and its place in the graph."""

    def __init__(self, tensor):
        self.array, self.edge = held(tensor), edge_of(tensor)

    def tensor(self, array):
        """The tensor again, with other values."""
        made = wrap(array)
        if self.edge is not None:
            made._node, made._output = self.edge
        return made


class CheckpointNode(Node):
    """The backward pass of a checkpointed function."""

    def __init__(self, again, edges):
        super().__init__("CheckpointFunctionBackward", edges)
        self.residuals = again
        self.count = len(again.numbers)

    def apply(self, cotangents, create_graph):
        again = self.residuals
        if again is None:
            raise freed_error()
        start = Node("checkpoint", ()).sequence
        outputs = again.run(cotangents)
        pairs = [
            (output, cotangent)
            for output, cotangent in zip(outputs, cotangents, strict=True)
            if cotangent is not None and output.requires_grad
        ]
        if not pairs:
            return [None] * len(self.edges)
        roots, arriving = zip(*pairs, strict=True)
        edges = list(self.edges)
        found = walk(roots, arriving, create_graph, create_graph, edges, False, since=start)
        return found if create_graph else _together(found)

    def release(self):
        self.residuals = None
