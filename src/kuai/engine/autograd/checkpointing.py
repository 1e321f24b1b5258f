"""checkpoint: save the arguments of a function instead of everything computed in it.

Where operations run at once, see `recomputing`. Where they are recorded or traced: forward, the
function runs as usual; then the graph it made is thrown away but for the edges that lead out of it,
which become those of one node. Backward, that node runs the function again on the saved arguments,
with the same random numbers and modes, and walks the new graph down to the same edges. So tensors
that the function closes over get their gradients too.

Inside a compiled step XLA would notice that the second run computes what the first did, and keep
the first one's results after all. Hence the arguments go through an optimization barrier together
with the arriving gradients, as `jax.checkpoint` has it: the second run cannot begin earlier.
"""

import contextlib
import functools
import threading
import warnings

import jax
import jax.core
import jax.numpy as jnp

from kuai.engine.autograd.backward import run_backward
from kuai.engine.autograd.function import Function
from kuai.engine.autograd.recomputing import Frame
from kuai.engine.autograd.tape import AccumulateGrad, Node, edge_of, freed_error
from kuai.engine.autograd.walking import walk
from kuai.engine.tensor import Tensor, modes, randomness, wrap
from kuai.engine.tensor.calls import Call, is_pending, perform
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.devices import device_of
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.nests import ordered
from kuai.engine.tensor.views import held, outline
from kuai.errors import RecomputationError

__all__ = ["CheckpointFunction", "check_backward_validity", "checkpoint", "detach_variable"]
__all__ += ["noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop"]


def noop_context_fn():
    """Two contexts that change nothing, for the first and the second run."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@folding
def checkpoint(
    function,
    *args,
    use_reentrant=None,
    context_fn=noop_context_fn,
    determinism_check="default",
    debug=False,
    early_stop=True,
    **kwargs,
):
    """Run a function without keeping what its backward pass needs: it is computed again there.

    Args:
        function: takes `args` and `kwargs`; it is run a second time during the backward pass.
            Inside a compiled step large tensors save memory only if they are passed as arguments.
        use_reentrant: False has the graph made in the first run, and its memory filled in the
            second; True has it made in the second run only, which works in `backward()` alone.
        context_fn: returns two context managers, for the first and the second run.
        determinism_check: "default" compares shapes and dtypes of both runs, "none" does not.
        debug: accepted for PyTorch's sake.
        early_stop: end the second run when everything has been computed that is needed.
        preserve_rng_state: draw the same random numbers in the second run (default: True).

    As in PyTorch, a batch norm inside updates its running statistics in both runs. Inside a
    compiled step both runs go to the end, and there is one implementation.

    Example:
        >>> x = kuai.ones(3, requires_grad=True)
        >>> y = kuai.utils.checkpoint.checkpoint(lambda a: a.sin().exp(), x, use_reentrant=False)
        >>> y.sum().backward()
        >>> x.grad.shape
        torch.Size([3])
    """
    if use_reentrant is None:
        warnings.warn(_EXPLICITLY, stacklevel=3)
        use_reentrant = True
    preserve_rng_state = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    state = modes.state
    at_once = state.recorder is None and state.capture is None
    if at_once and use_reentrant:
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    first, second = context_fn()
    if not state.grad_enabled:
        with first:
            return function(*args, **kwargs)
    states = randomness.current_states() if preserve_rng_state else []
    checks = determinism_check == "default"
    if at_once:
        stops = early_stop if _stops_early.enabled is None else _stops_early.enabled
        return Frame(function, args, kwargs, states, second, checks, stops).run(first, args)
    start = Node("checkpoint", ()).sequence
    with first:
        result = function(*args, **kwargs)
    return _with_node(result, start, _Again(function, (args, kwargs), states, second, checks))


_EXPLICITLY = (
    "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in "
    "PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. "
    "use_reentrant=False is recommended, but if you need to preserve the current default behavior, "
    "you can pass use_reentrant=True. Refer to docs for more details on the differences between "
    "the two variants."
)


class _StopsEarly(threading.local):
    enabled: bool | None = None


_stops_early = _StopsEarly()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool):
    """Whether checkpoints made inside end the second run of their function early.

    Example:
        >>> with kuai.utils.checkpoint.set_checkpoint_early_stop(False):
        ...     x = kuai.ones(2, requires_grad=True)
        ...     y = kuai.utils.checkpoint.checkpoint(kuai.exp, x, use_reentrant=False)
    """
    before, _stops_early.enabled = _stops_early.enabled, enable
    try:
        yield
    finally:
        _stops_early.enabled = before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None):
    """Accepted for PyTorch's sake: errors of checkpoints always say what they know."""
    yield


# The graph of the second run ----------------------------------------------------------------------


def check_backward_validity(inputs) -> None:
    """Warn if none of the inputs requires a gradient."""
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=3
        )


def detach_variable(inputs: tuple) -> tuple:
    """The same things, with leaves that require gradients as before in the place of tensors."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: ",
            type(inputs).__name__,
        )
    return tuple([_detached(x) if isinstance(x, Tensor) else x for x in inputs])


def _detached(tensor):
    made = tensor.detach()
    made.requires_grad = tensor.requires_grad
    return made


class CheckpointFunction(Function):
    """A checkpoint that makes its graph in the second run, and walks it there."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function, ctx.autocast = run_function, modes.state.autocast
        ctx.states = randomness.current_states() if preserve_rng_state else []
        ctx.positions = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.inputs = [None if isinstance(a, Tensor) else a for a in args]
        ctx.save_for_backward(*[args[i] for i in ctx.positions])
        return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if modes.state.walk is not None and modes.state.walk.wanted is not None:
            raise RuntimeError(_ONLY_BACKWARD)
        inputs = list(ctx.inputs)
        for position, tensor in zip(ctx.positions, ctx.saved_tensors, strict=True):
            inputs[position] = tensor
        inputs = detach_variable(tuple(inputs))
        outputs = _run_again(ctx, inputs)
        pairs = [
            (output, gradient)
            for output, gradient in zip(outputs, grads, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        run_backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, Tensor) else None for x in inputs])


def _run_again(ctx, inputs):
    state = modes.state
    before = state.grad_enabled, state.autocast
    state.grad_enabled, state.autocast = True, ctx.autocast
    try:
        with randomness.replay(ctx.states):
            outputs = ctx.run_function(*inputs)
    finally:
        state.grad_enabled, state.autocast = before
    return (outputs,) if isinstance(outputs, Tensor) else outputs


_ONLY_BACKWARD = (
    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
    "`inputs` parameter to .backward(). To resolve this error, you can either set "
    "use_reentrant=False, or call .backward() without passing the `inputs` argument."
)


# One node for both, in a recorded step ------------------------------------------------------------


def _with_node(result, start, again):
    """The function's result with one node in the place of the graph that made it."""
    leaves, tree = jax.tree.flatten(ordered(result), is_leaf=is_tensor_leaf)
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
        leaves, self.tree = jax.tree.flatten(ordered(arguments), is_leaf=is_tensor_leaf)
        self.leaves = [
            _Saved(x) if isinstance(x, Tensor) and x._specified is None else x for x in leaves
        ]
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
        leaves = jax.tree.leaves(ordered(result), is_leaf=is_tensor_leaf)
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
            raise RecomputationError(
                "Recomputed values for the following tensors have different metadata than during "
                f"the forward pass. First (shape, dtype): {self.avals}; now: {found}."
            )


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
