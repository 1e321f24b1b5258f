"""What happens to gradients where they arrive: hooks see them, tensors keep them, leaves add them.

Hooks of a node are called before and after it, those of a tensor with the gradient of that output.
"""

import jax.numpy as jnp

from kuai.engine.autograd.returned import check_hook_result, name_of_hook
from kuai.engine.autograd.running import Operation, run
from kuai.engine.autograd.tape import edge_of
from kuai.engine.tensor import Tensor, modes, views, wrap
from kuai.engine.tensor.tensor import set_grad

__all__ = ["accumulate", "add_gradients", "converted", "retain", "run_hooks", "run_output_hooks"]
__all__ += ["run_pre_hooks"]

_add = Operation("add_gradients", "AddBackward0")
_convert = Operation("convert_gradient", "ToCopyBackward0")


def add_gradients(first: Tensor, second: Tensor) -> Tensor:
    """The sum of two gradients that meet."""
    return run(_add, None, lambda: jnp.add, (first, second))


def converted(gradient: Tensor, wanted) -> Tensor:
    """A gradient in the dtype that its tensor wants (`Tensor.grad_dtype`)."""
    if wanted is None or gradient.dtype is wanted:
        return gradient
    return run(_convert, wanted, lambda: lambda values: values.astype(wanted.jax), (gradient,))


def accumulate(tensor: Tensor, gradient: Tensor, create_graph: bool) -> None:
    """Add a gradient to a tensor's `.grad`: in place, unless the sum is to be recorded."""
    held = tensor._grad if modes.state.capture is None else tensor.grad
    if held is not None and not create_graph:
        total = add_gradients(held, gradient)
        if tensor._grad_dtype is not None:
            total = converted(total, held.dtype)
        views.assign(held, views.held(total))
        return
    if held is not None:
        gradient = add_gradients(held, gradient)
    else:
        gradient = _own(gradient, create_graph)
    set_grad(tensor, gradient)


def _own(gradient: Tensor, create_graph: bool) -> Tensor:
    """The gradient for a `.grad`: no tensor that a hook has kept or a user has given.

    Later gradients are added to it in place, which nobody else's tensor may show.
    """
    if create_graph and gradient._node is not None or type(gradient) is not Tensor:
        return gradient
    return wrap(views.held(gradient))


# Hooks --------------------------------------------------------------------------------------------


def run_pre_hooks(node, cotangents):
    for hook in tuple(node.pre_hooks.values()):
        changed = hook(tuple(cotangents))
        cotangents = cotangents if changed is None else _replaced(hook, cotangents, changed)
    return cotangents


def run_hooks(node, made, cotangents):
    """Show a node's hooks the gradients of its inputs, one for each of its `next_functions`."""
    places = _places(node)
    shown = [None if place is None else made[place] for place in places]
    for hook in tuple(node.hooks.values()):
        changed = hook(tuple(shown), tuple(cotangents))
        shown = shown if changed is None else _replaced(hook, shown, changed)
    there = {p: gradient for p, gradient in zip(places, shown, strict=True) if p is not None}
    return [there.get(place) for place in range(len(made))]


def _places(node):
    """For each of a node's `next_functions` its number among the edges, or None if it has none."""
    edges, functions = dict(enumerate(node.edges)), node.next_functions
    if len(functions) == len(edges):
        return list(edges)  # some of them may be None, and get a gradient all the same
    places = []
    for function, output in functions:
        same = (i for i, edge in edges.items() if edge and edge[:2] == (function, output))
        places.append(next(same, None))
        edges.pop(places[-1], None)
    return places


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
        if before is None and after is not None:
            raise RuntimeError("can't replace a None gradient with a non-None value")
        if before is not None and after is not None:
            check_hook_result(hook, before, after)
    return changed


def run_output_hooks(node, gathered):
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


def retain(node, gathered):
    for output, reference in node.retained.items():
        tensor = reference()
        if tensor is None or edge_of(tensor) != (node, output):
            continue  # it was changed in place, and stands for another node's output
        if gathered.get(output) is not None:
            held = tensor.grad
            made = gathered[output]
            tensor.grad = _own(made, True) if held is None else add_gradients(held, made)
