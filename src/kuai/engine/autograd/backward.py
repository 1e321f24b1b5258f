"""Walking the tape: `Tensor.backward`, `autograd.backward`, `autograd.grad`.

Nodes are visited by falling number. Each gathers the gradients of its outputs from those that
depend on it, lets the hooks see them, and passes the gradients of its inputs on along its edges.
Gradients are tensors; with `create_graph` the backward operations are recorded like any others.
"""

import contextlib
import heapq
import math
import warnings
from collections.abc import Mapping

import jax.numpy as jnp

from kuai.engine.autograd import blocks
from kuai.engine.autograd.batching import vectorize
from kuai.engine.autograd.returned import check_hook_result, name_of_hook
from kuai.engine.autograd.running import Operation, OpNode, run
from kuai.engine.autograd.tape import AccumulateGrad, GradientEdge, edge_of, place_of
from kuai.engine.tensor import Tensor, devices, dtypes, method, modes, views, wrap
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.tensor import set_grad

__all__ = ["add_gradients", "backward", "grad", "walk"]

_NEAR = 16  # nodes
_CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter "
    "and its gradient which can cause a memory leak. We recommend using autograd.grad when "
    "creating the graph to avoid this. If you have to use this function, make sure to reset the "
    ".grad fields of your parameters to None after use to break the cycle and avoid the leak."
)
_add = Operation("add_gradients", "AddBackward0")


@method
@folding
def backward(
    self: Tensor, gradient=None, retain_graph=None, create_graph=False, inputs=None
) -> None:
    """Compute the gradient of this tensor with respect to the leaves, and add it to their `.grad`.

    Args:
        gradient: the gradient of some scalar with respect to this tensor; may be left out for a
            scalar.
        retain_graph: keep what the graph saved, so that it can be walked again (default:
            `create_graph`).
        create_graph: record the backward pass, for gradients of gradients.
        inputs: the only tensors whose `.grad` is to be filled (default: all leaves).

    Raises:
        RuntimeError: this is not a scalar and no gradient is given; it does not require a gradient;
            the graph has been freed.
    """
    run_backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def run_backward(
    tensors,
    grad_tensors=None,
    retain_graph=None,
    create_graph=False,
    grad_variables=None,
    inputs=None,
) -> None:
    """Compute and add up in `.grad` the gradients of several tensors; `kuai.autograd.backward`."""
    if modes.state.transforms and not modes.state.old_functions:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms."
        )
    if grad_variables is not None:
        grad_tensors = _renamed(grad_tensors, grad_variables)
    wanted = None if inputs is None else _inputs_of("backward", inputs)
    roots = _as_list(tensors)
    arriving = _first_gradients(roots, _as_list(grad_tensors, len(roots)))
    if create_graph:
        warnings.warn(_CYCLE, stacklevel=3)
    keep = create_graph if retain_graph is None else retain_graph
    if wanted is None:
        walk(roots, arriving, keep, create_graph)
        return
    if not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    edges = [_input_edge(tensor) for tensor in wanted]
    for tensor, made in zip(wanted, walk(roots, arriving, keep, create_graph, edges), strict=True):
        if type(tensor) is GradientEdge:
            tensor = getattr(tensor.node, "variable", None)
        if made is not None and tensor is not None:
            accumulate(tensor, made, create_graph)


def _renamed(grad_tensors, grad_variables):
    warnings.warn(
        "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=3
    )
    if grad_tensors is not None:
        raise RuntimeError(
            "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
            "`backward()`. Please only use `grad_tensors`."
        )
    return grad_variables


def _inputs_of(name, inputs):
    if isinstance(inputs, Mapping):
        if type(inputs) is not dict:
            raise TypeError(
                f"`inputs` argument to `{name}()` must be a dict, not {type(inputs).__name__}. "
                "Other Mapping types are not supported."
            )
        return list(inputs.values())
    return _as_list(inputs)


@folding
def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; nothing is added to `.grad`.

    Example:
        >>> x = kuai.tensor(3.0, requires_grad=True)
        >>> y = x ** 3
        >>> (g,) = kuai.autograd.grad(y, x, create_graph=True)
        >>> kuai.autograd.grad(g, x)
        (tensor(18.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    roots, wanted = _as_list(outputs), _inputs_of("grad", inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if not only_inputs:
        warnings.warn(_ONLY_INPUTS, FutureWarning, stacklevel=3)
    if is_grads_batched:
        options = dict(retain_graph=retain_graph, create_graph=create_graph)
        options |= dict(allow_unused=allow_unused, materialize_grads=materialize_grads)
        found = _batched_grad(roots, wanted, _as_list(grad_outputs, len(roots)), options)
    else:
        arriving = _first_gradients(roots, _as_list(grad_outputs, len(roots)))
        keep = create_graph if retain_graph is None else retain_graph
        edges = [_input_edge(tensor) for tensor in wanted]
        found = walk(roots, arriving, keep, create_graph, edges)
        _fill_up(found, wanted, materialize_grads, allow_unused, create_graph)
    return dict(zip(inputs, found, strict=True)) if type(inputs) is dict else tuple(found)


_ONLY_INPUTS = (
    "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
    "gradient for other parts of the graph, please use torch.autograd.backward."
)


def _fill_up(found, wanted, materialize_grads, allow_unused, create_graph):
    """Zeros for gradients that have not arrived, or PyTorch's error."""
    for number, (tensor, made) in enumerate(zip(wanted, found, strict=True)):
        if made is not None:
            continue
        if materialize_grads:
            if type(tensor) is GradientEdge:
                raise RuntimeError(
                    "materialize_grads cannot be used when the given input is a GradientEdge"
                )
            found[number] = _filled_like(tensor, 0)
            found[number].requires_grad = create_graph
        elif not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {number} appears to not have been used in the "
                "graph. Set allow_unused=True if this is the desired behavior."
            )


def _batched_grad(outputs, inputs, grad_outputs, options):
    """Gradients for every slice of `grad_outputs` along their first dimension."""
    _check_batches(outputs, grad_outputs)
    given = [g for g in grad_outputs if g is not None]
    unused = []

    def one(slices):
        arriving = iter(slices)
        full = [None if g is None else next(arriving) for g in grad_outputs]
        found = grad(outputs, inputs, full, **options)
        unused.extend(g is None for g in found)
        return [g for g in found if g is not None], []

    stacked, _ = vectorize(one, given, [0] * len(given), given[0].shape[0])
    arriving = iter(stacked)
    return tuple(None if missing else next(arriving) for missing in unused)


def _check_batches(outputs, grad_outputs):
    """PyTorch's errors for gradients that are no batches of the outputs' shapes."""
    for number, (output, gradient) in enumerate(zip(outputs, grad_outputs, strict=True)):
        if gradient is None:
            raise ValueError(
                "vmap(vjp, in_dims=0, ...)(<inputs>): Got in_dim=0 for some input, but that input "
                "is a Tensor of dimensionality 0 so expected in_dim to satisfy 0 <= in_dim < 0."
            )
        shape = _type_of(output)[0]
        if tuple(gradient.shape[1:]) != tuple(shape):
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output "
                "as the batch dimension. The sizes of the remaining dimensions are expected to "
                "match the shape of corresponding output, but a mismatch was detected: "
                f"grad_output[{number}] has a shape of {gradient[0].shape} and output[{number}] "
                f"has a shape of {Size(shape)}. If you only want some tensors in `grad_output` to "
                "be considered batched, consider using vmap."
            )


def _type_of(root):
    """Shape and dtype of a tensor, or of what a `GradientEdge` stands for, and where it lies."""
    if type(root) is GradientEdge:
        return root.node.output_type(root.output_nr)
    array = views.outline(root)
    return array.shape, array.dtype, devices.placement(array)


def _input_edge(tensor):
    edge = place_of(tensor)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def _as_list(given, count=0):
    if given is None:
        return [None] * count
    return [given] if isinstance(given, (Tensor, GradientEdge)) else list(given)


def _filled_like(tensor, number):
    array = views.outline(tensor)
    return wrap(devices.filled(array.shape, array.dtype, number, devices.placement(array)))


def _first_gradients(roots, given):
    if len(roots) != len(given):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    for number, root in enumerate(roots):
        if isinstance(root, Tensor) and not root.requires_grad:
            raise RuntimeError(
                f"element {number} of tensors does not require grad and does not have a grad_fn"
            )
    return [_first(*of) for of in zip(range(len(roots)), roots, given, strict=True)]


def _first(number, root, gradient):
    """The gradient to begin with at a root: the one that is given, or 1 for a scalar."""
    shape, kind, where = _type_of(root)
    if gradient is None:
        if math.prod(shape) != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if kind.kind == "c":
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got "
                f"{dtypes.from_jax(kind)}"
            )
        return wrap(devices.filled(shape, kind, 1, where))
    if not isinstance(gradient, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
        )
    if gradient.shape != shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{number}] has a shape of {gradient.shape} and "
            f"output[{number}] has a shape of {Size(shape)}."
        )
    if gradient.dtype.is_complex != (kind.kind == "c"):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{number}] has a dtype of {gradient.dtype} and "
            f"output[{number}] has a dtype of {dtypes.from_jax(kind)}."
        )
    return gradient


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
    state.grad_enabled = create_graph
    try:
        with recorder.again() if recorder is not None else contextlib.nullcontext():
            state.walk = _Walk(retain_graph, create_graph, wanted, outside_hooks, since)
            return state.walk.run(roots, gradients)
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
        self.wanted = wanted
        self.roots, self.reached = (), None
        self.found = {} if wanted is None else {edge: None for edge in wanted}
        self.leads_to_wanted = None if wanted is None else _leads_to(wanted, since)
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
            node = heapq.heappop(self.queue)[1]
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
        return recorded and plain and len(roots) == 1

    def _follow(self, nodes, gradients):
        """What is left to do where the steps of a pass were known."""
        inner = len(nodes) - len(gradients)
        for node, array in zip(nodes[inner:], gradients, strict=True):
            set_grad(node.variable, wrap(array))
        if not self.retain_graph:
            for node in nodes[:inner]:
                node.release()

    def send(self, edge, gradient):
        """Have a gradient arrive at an edge's node."""
        node, output = edge
        gathered = self.arriving.get(node)
        if gathered is None:
            self.arriving[node] = {output: gradient}
            heapq.heappush(self.queue, (-node.sequence, node))
        elif gathered.get(output) is None:
            gathered[output] = gradient
        else:
            gathered[output] = add_gradients(gathered[output], gradient)
            if self.visits is not None:
                self.visits.sums += 1

    def visit(self, node, gathered):
        goes_on = True
        if self.wanted is not None:
            goes_on, is_wanted = self.leads_to_wanted(node), self._is_wanted(node, gathered)
            if goes_on and is_wanted:  # as in PyTorch: what is wanted on the way has no hooks yet
                self._find(node, gathered)
            elif not goes_on and not is_wanted:
                return
        if self.visits is not None and not self.visits.note(node, gathered):
            self.visits = None
        if node.output_hooks is not None and (
            self.outside_hooks or not self._is_wanted(node, gathered)
        ):
            _run_output_hooks(node, gathered)
        if node.retained is not None:
            _retain(node, gathered)
        if not goes_on:
            self._find(node, gathered)
            return
        if isinstance(node, AccumulateGrad):
            if gathered[0] is not None:
                self.accumulate(node, gathered[0])
            return
        cotangents = [gathered.get(i) for i in range(node.count)]
        if node.pre_hooks:
            cotangents = _run_pre_hooks(node, cotangents)
            if isinstance(node, OpNode) and not any(c is not None for c in cotangents):
                return
        if self.checks is None and node.block is None:
            made = node.apply(cotangents, self.create_graph)
        else:
            made = blocks.backward(node, cotangents, self.create_graph, self.checks)
        if node.hooks:
            made = _run_hooks(node, made, cotangents)
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
            (gradient,) = _run_pre_hooks(node, [gradient])
        accumulate(node.variable, gradient, self.create_graph)
        if node.post_accumulate:
            for hook in tuple(node.post_accumulate.values()):
                made = hook(node.variable)
                if isinstance(made, Tensor):
                    raise RuntimeError("Tensor post accumulate grad hooks should return None.")
                if made is not None:
                    name = type(made).__name__
                    raise TypeError(f"expected Variable, but hook returned '{name}'")
        if node.hooks:
            _run_hooks(node, [], [gradient])


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


def _run_pre_hooks(node, cotangents):
    for hook in tuple(node.pre_hooks.values()):
        changed = hook(tuple(cotangents))
        cotangents = cotangents if changed is None else _replaced(hook, cotangents, changed)
    return cotangents


def _run_hooks(node, made, cotangents):
    for hook in tuple(node.hooks.values()):
        changed = hook(tuple(made), tuple(cotangents))
        made = made if changed is None else _replaced(hook, made, changed)
    return made


def _replaced(hook, gradients, changed):
    """What a node's hook returned instead of the gradients, after a look at it."""
    if not isinstance(changed, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(changed).__name__}'")
    changed = list(changed)
    if len(changed) != len(gradients):
        raise RuntimeError(
            f"hook '{name_of_hook(hook)}' has returned an incorrect number of values "
            f"(got {len(changed)}, but expected {len(gradients)})"
        )
    for before, after in zip(gradients, changed, strict=True):
        if before is not None and after is not None:
            check_hook_result(hook, before, after)
    return changed


def _run_output_hooks(node, gathered):
    for output, hooks in node.output_hooks.items():
        gradient = gathered.get(output)
        if gradient is None:
            continue
        for hook in tuple(hooks.values()):
            changed = hook(gradient)
            if changed is not None:
                check_hook_result(hook, gradient, changed)
                gradient = changed
        gathered[output] = gradient


def _retain(node, gathered):
    for output, reference in node.retained.items():
        tensor = reference()
        if tensor is None or edge_of(tensor) != (node, output):
            continue  # it was changed in place, and stands for another node's output
        if gathered.get(output) is not None:
            held = tensor.grad
            made = gathered[output]
            tensor.grad = made if held is None else add_gradients(held, made)


def add_gradients(first: Tensor, second: Tensor) -> Tensor:
    """The sum of two gradients that meet."""
    return run(_add, None, lambda: jnp.add, (first, second))


def accumulate(tensor: Tensor, gradient: Tensor, create_graph: bool) -> None:
    """Add a gradient to a tensor's `.grad`: in place, unless the sum is to be recorded."""
    held = tensor._grad if modes.state.capture is None else tensor.grad
    if held is not None and not create_graph:
        views.assign(held, views.held(add_gradients(held, gradient)))
        return
    if held is not None:
        gradient = add_gradients(held, gradient)
    elif not create_graph and gradient._node is not None:
        gradient = Tensor._share(gradient)
    set_grad(tensor, gradient)
