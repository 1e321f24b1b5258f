"""grad, vjp, jvp: derivatives of functions.

They run on the tape, as `backward()` does: the function is called with fresh leaves (or, where the
caller's own tape has to follow, with copies that stay connected to it), and the graph is walked
back. A derivative forward, `jvp`, runs the function on dual tensors. `linearize` keeps the graph
and differentiates the backward pass with respect to what arrives there, in which it is linear.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax

from kuai.engine.autograd import around
from kuai.engine.autograd.backward import grad as gradients_of
from kuai.engine.autograd.duals import dual, plain, share_tangents, tangent_of
from kuai.engine.autograd.running import Operation, run
from kuai.engine.autograd.tape import AccumulateGrad, edge_of
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.modes import enable_grad
from kuai.engine.tensor.views import held
from kuai.func.trees import flatten, inside_transform, leaves_of, structure, tree_map
from kuai.ops.array.creation import zeros_like

__all__ = ["Tracked", "grad", "grad_and_value", "jvp", "linearize", "vjp"]

_alias = Operation("alias", "AliasBackward0")


class Tracked:
    """Tensors with respect to which one transform differentiates, and what the caller's tape sees.

    `records` is whether the caller records. What the transform returns keeps its history if it
    leads to anything but leaves of transforms that are over. A context manager: inside, the
    transform runs the function.
    """

    def __init__(self):
        self.records = modes.state.grad_enabled
        self.active = False
        self._modes = contextlib.ExitStack()

    def __enter__(self):
        self.active = True
        self._modes.enter_context(enable_grad())
        self._modes.enter_context(inside_transform())
        return self

    def __exit__(self, *_):
        self.active = False
        self._modes.close()

    def track(self, tensor):
        """A stand-in for a tensor, to be differentiated with respect to."""
        if not isinstance(tensor, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(tensor)}")
        if self.records and tensor.requires_grad:
            return run(_alias, None, lambda: lambda array: array, [tensor])
        made = wrap(held(tensor))
        share_tangents(tensor, made)
        if not (made.dtype.is_floating_point or made.dtype.is_complex):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        made._requires_grad = True
        made.__dict__["_transform"] = self
        return made

    def leads_out(self, tensors) -> bool:
        """Whether the graph of some tensors goes on in the caller's."""
        if not self.records:
            return False
        stack = [edge for edge in map(edge_of, tensors) if edge is not None]
        seen = set()
        while stack:
            node, _ = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if isinstance(node, AccumulateGrad) and self._is_outside(node.variable):
                return True
            stack.extend(edge for edge in node.edges if edge is not None)
        return False

    def _is_outside(self, leaf):
        transform = leaf.__dict__.get("_transform")
        return transform is None or (transform is not self and transform.active)

    def released(self, nested):
        """Results without the history that only leads to the transform's own leaves."""

        def release(thing):
            if not isinstance(thing, Tensor) or not thing.requires_grad or self.leads_out([thing]):
                return thing
            return thing.detach()

        return tree_map(release, nested)


def _zeros_for(found, inputs):
    return [zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


# grad ---------------------------------------------------------------------------------------------


def grad(func, argnums: int | tuple[int, ...] = 0, has_aux=False) -> Callable[..., Any]:
    """A function that computes the gradient of a scalar-valued function.

    Args:
        func: returns a tensor with one element; with `has_aux`, a pair of it and anything else.
        argnums: the number of the argument to differentiate with respect to, or a tuple of numbers.

    Example:
        >>> kuai.func.grad(kuai.sin)(kuai.tensor(0.0))
        tensor(1.)
        >>> kuai.func.grad(kuai.func.grad(kuai.sin))(kuai.tensor(0.0))
        tensor(-0.)

    Differs from PyTorch: a tensor from outside may be changed in place.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    @folding
    def wrapped(*args, **kwargs):
        gradient, result = both(*args, **kwargs)
        return (gradient, result[1]) if has_aux else gradient

    return wrapped


def grad_and_value(func, argnums: int | tuple[int, ...] = 0, has_aux=False) -> Callable[..., Any]:
    """A function that computes the gradient of a function and its value: `(gradient, value)`.

    Example:
        >>> kuai.func.grad_and_value(lambda x: (x * x).sum())(kuai.tensor([1.0, 2.0]))
        (tensor([2., 4.]), tensor(5.))
    """

    @functools.wraps(func)
    @folding
    def wrapped(*args, **kwargs):
        with Tracked() as tracked:
            args, chosen = _track_arguments(tracked, args, argnums)
            output = func(*args, **kwargs)
            output, aux = _with_aux(output, has_aux)
            _check_scalar(output)
            inputs, tree = flatten(chosen)
            found = _gradients(tracked, [output], inputs, None)
            found = jax.tree.unflatten(tree, found)
        output = tracked.released(output)
        return found, ((output, tracked.released(aux)) if has_aux else output)

    return wrapped


def _track_arguments(tracked, args, argnums):
    """The arguments with stand-ins among them, and those stand-ins."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(numbers, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    args, chosen = list(args), []
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")
        args[number] = tree_map(tracked.track, args[number])
        chosen.append(args[number])
    return args, chosen[0] if isinstance(argnums, int) else tuple(chosen)


def _with_aux(output, has_aux):
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(
            "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if "
            "has_aux is True"
        )
    return output


def _check_scalar(output):
    start = "grad_and_value(f)(*args): Expected f(*args) to return a "
    if not isinstance(output, Tensor):
        raise RuntimeError(f"{start}Tensor, got {type(output)}")
    if output.ndim:
        raise RuntimeError(
            f"{start}scalar Tensor, got tensor with {output.ndim} dims. Maybe you wanted to use "
            "the vjp or jacrev APIs instead?"
        )


def _gradients(tracked, outputs, inputs, cotangents):
    """Gradients of outputs with respect to stand-ins, zeros where there are none."""
    given = [None] * len(outputs) if cotangents is None else cotangents
    pairs = [(o, c) for o, c in zip(outputs, given, strict=True) if o.requires_grad]
    if not pairs:
        return _zeros_for([None] * len(inputs), inputs)
    outputs = [output for output, _ in pairs]
    given = None if cotangents is None else [c for _, c in pairs]
    follow = tracked.leads_out(outputs) or _any_requires_grad(given)
    found = gradients_of(
        outputs, inputs, given, retain_graph=True, create_graph=follow, allow_unused=True
    )
    return tracked.released(_zeros_for(found, inputs))


def _any_requires_grad(tensors):
    return modes.state.grad_enabled and any(t.requires_grad for t in tensors or ())


# vjp ----------------------------------------------------------------------------------------------


class _Star:
    """A leaf where the structure of a tree is shown."""

    def __repr__(self):
        return "*"


def _shown(tree) -> str:
    return repr(jax.tree.unflatten(tree, [_Star()] * tree.num_leaves))


def vjp(func, *primals, has_aux=False) -> Any:
    """A function's value, and the function that sends gradients back through it.

    Returns:
        `(output, vjp_fn)`, with `has_aux` `(output, vjp_fn, aux)`; `vjp_fn(cotangents)` gives a
        tuple of gradients (for one primal, the gradient itself).

    Example:
        >>> y, pull_back = kuai.func.vjp(kuai.sin, kuai.zeros(2))
        >>> pull_back(kuai.ones(2))
        (tensor([1., 1.]),)
    """
    tracked, inputs, outputs, aux, trees = _run_tracked("vjp", func, primals, has_aux)
    primal_tree, output_tree = trees

    def pull_back(cotangents, retain_graph=True, create_graph=None):
        leaves, tree = flatten(cotangents)
        if tree != output_tree:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {_shown(tree)}, "
                f"primal output: {_shown(output_tree)}"
            )
        for leaf in leaves:
            if not isinstance(leaf, Tensor):
                kind = type(leaf).__name__
                raise TypeError(f"gradients can be either Tensors or None, but got {kind}")
        tracked.records = modes.state.grad_enabled if create_graph is None else create_graph
        with inside_transform():
            found = _gradients(tracked, outputs, inputs, leaves)
        return jax.tree.unflatten(primal_tree, found)

    result = tracked.released(jax.tree.unflatten(output_tree, outputs))
    return (result, pull_back, tracked.released(aux)) if has_aux else (result, pull_back)


def _run_tracked(name, func, primals, has_aux):
    """Call a function with stand-ins: what is tracked, stand-ins, outputs, aux, structures."""
    with Tracked() as tracked:
        primals = tree_map(tracked.track, primals)
        result = func(*primals)
    result, aux = _apart(name, result, has_aux)
    outputs, output_tree = flatten(result)
    _check_tensors(name, outputs)
    if name == "vjp":
        _check_differentiable(outputs)
    inputs, primal_tree = flatten(primals)
    return tracked, inputs, outputs, aux, (primal_tree, output_tree)


def _apart(name, result, has_aux):
    """A function's result and, with `has_aux`, what came beside it."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}(f, *primals): output of function f should be a tuple: (output, aux) if "
            "has_aux is True"
        )
    return result


def _check_tensors(name, outputs):
    for output in outputs:
        if not isinstance(output, Tensor):
            given = "primals, tangents" if name == "jvp" else "*primals"
            raise RuntimeError(
                f"{name}(f, {given}): expected f(*primals) to return only tensors, got "
                f"unsupported type {type(output)}"
            )


def _check_differentiable(outputs):
    for output in outputs:
        if not (output.is_floating_point() or output.is_complex()):
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got "
                f"Tensor with dtype {output.dtype}"
            )


# jvp ----------------------------------------------------------------------------------------------


def jvp(func, primals, tangents, *, strict=False, has_aux=False) -> Any:
    """A function's value, and how it changes when its arguments move along `tangents`.

    Returns:
        `(output, tangent of the output)`, and `aux` with `has_aux`.

    Example:
        >>> kuai.func.jvp(kuai.sin, (kuai.zeros(2),), (kuai.ones(2),))
        (tensor([0., 0.]), tensor([1., 1.]))
    """
    _check_tangents(primals, tangents)
    with forward_level() as level:
        duals = tree_map(lambda primal, tangent: dual(primal, tangent, level), primals, tangents)
        result = func(*duals)
        result, aux = _apart("jvp", result, has_aux)
        outputs, output_tree = flatten(result)
        _check_tensors("jvp", outputs)
        moved = [tangent_of(output, level) for output in outputs]
        plain_outputs = [plain(output, level) for output in outputs]
    if strict and any(tangent is None for tangent in moved):
        raise RuntimeError(_INDEPENDENT)
    moved = jax.tree.unflatten(output_tree, _zeros_for(moved, outputs))
    result = jax.tree.unflatten(output_tree, plain_outputs)
    return (result, moved, aux) if has_aux else (result, moved)


_INDEPENDENT = (
    "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is "
    "not allowed with strict=True."
)


@contextlib.contextmanager
def forward_level():
    """A level of forward mode, inside which a transform runs a function."""
    level = around.new_level()
    try:
        with inside_transform():
            yield level
    finally:
        around.remove_level(level)


def jvp_backward(func, primals, tangents) -> Any:
    """As `jvp`, by the derivative of the backward pass with respect to what arrives there.

    The backward pass is linear in that, so its transpose is the derivative forward.
    """
    _check_tangents(primals, tangents)
    tracked, inputs, outputs, _, (_, output_tree) = _run_tracked("jvp", func, primals, False)
    moved = _push_forward(tracked, inputs, outputs, leaves_of(tangents))
    result = tracked.released(jax.tree.unflatten(output_tree, outputs))
    return result, jax.tree.unflatten(output_tree, moved)


def _push_forward(tracked, inputs, outputs, tangents):
    """Differentiate the backward pass with respect to what arrives there."""
    used = [o for o in outputs if o.requires_grad and o.dtype.is_floating_point]
    with Tracked() as own:
        own.records = tracked.records
        arriving = [own.track(zeros_like(output).detach()) for output in used]
        found = (
            gradients_of(used, inputs, arriving, True, create_graph=True, allow_unused=True)
            if used
            else []
        )
        pairs = [(g, t) for g, t in zip(found, tangents, strict=False)
                 if g is not None and g.requires_grad]  # fmt: skip
        follow = tracked.records and (
            own.leads_out([g for g, _ in pairs]) or any(t.requires_grad for _, t in pairs)
        )
        moved = [None] * len(used)
        if pairs:
            moved = gradients_of(
                [g for g, _ in pairs], arriving, [t for _, t in pairs], retain_graph=True,
                create_graph=follow, allow_unused=True,
            )  # fmt: skip
    by_output = {id(o): m for o, m in zip(used, moved, strict=True)}
    made = [by_output.get(id(o)) for o in outputs]
    return own.released(_zeros_for(made, outputs))


def _check_tangents(primals, tangents):
    start = "jvp(f, primals, tangents): Expected "
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{start}primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    if structure(primals) != structure(tangents):
        raise RuntimeError(
            f"{start}primals and tangents to have the same python structure. For example, if "
            "primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{structure(primals)} and tangents with structure {structure(tangents)}"
        )
    pairs = list(zip(leaves_of(primals), leaves_of(tangents), strict=True))
    if not any(isinstance(primal, Tensor) for primal, _ in pairs):
        raise RuntimeError(f"{start}primals to contain at least one Tensor.")
    for primal, tangent in pairs:
        if primal.shape != tangent.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the "
                f"original Tensor, this is not supported. Tensor is of size {list(primal.shape)} "
                f"while the given forward gradient is of size {list(tangent.shape)}."
            )


def linearize(func, *primals):
    """A function's value, and its derivative at that point as a linear function of tangents.

    Example:
        >>> y, push_forward = kuai.func.linearize(kuai.sin, kuai.zeros(2))
        >>> push_forward(kuai.ones(2))
        tensor([1., 1.])
    """
    tracked, inputs, outputs, _, (_, output_tree) = _run_tracked("linearize", func, primals, False)
    primal_tree = structure(primals)

    def push_forward(*tangents):
        if structure(tangents) != primal_tree:
            raise RuntimeError(
                "Expected the tangents to have the same structure as the primals: "
                f"{structure(tangents)} and {primal_tree}"
            )
        given = leaves_of(tangents)
        for number, (tangent, x) in enumerate(zip(given, inputs, strict=True)):
            if tangent.shape != x.shape:
                raise RuntimeError(
                    f"tangent:{number} with shape {tangent.shape} in flattened pytree doesn't "
                    f"match the shape {x.shape} of the corresponding primal."
                )
        moved = _push_forward(tracked, inputs, outputs, given)
        return jax.tree.unflatten(output_tree, moved)

    return tracked.released(jax.tree.unflatten(output_tree, outputs)), push_forward
