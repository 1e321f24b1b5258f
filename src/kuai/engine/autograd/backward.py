"""`Tensor.backward`, `autograd.backward` and `autograd.grad`: what they take, refuse and return.

How gradients go down the tape stands in `walking`.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

from kuai.engine import autograd
from kuai.engine.autograd.arriving import accumulate
from kuai.engine.autograd.roots import (
    as_list,
    check_batches,
    filled_like,
    first_gradients,
    input_edge,
)
from kuai.engine.autograd.tape import GradientEdge
from kuai.engine.autograd.walking import walk
from kuai.engine.tensor import Tensor, method, modes
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.warning_once import warn_once

__all__ = ["backward", "grad", "run_backward"]

_CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter "
    "and its gradient which can cause a memory leak. We recommend using autograd.grad when "
    "creating the graph to avoid this. If you have to use this function, make sure to reset the "
    ".grad fields of your parameters to None after use to break the cycle and avoid the leak."
)
_ONLY_INPUTS = (
    "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
    "gradient for other parts of the graph, please use torch.autograd.backward."
)


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
    roots = as_list(tensors)
    arriving = first_gradients(roots, as_list(grad_tensors, len(roots)))
    if create_graph:
        warn_once(_CYCLE, stacklevel=3)
    keep = create_graph if retain_graph is None else retain_graph
    if wanted is None:
        walk(roots, arriving, keep, create_graph)
        return
    if not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    edges = [input_edge(tensor) for tensor in wanted]
    for tensor, made in zip(wanted, walk(roots, arriving, keep, create_graph, edges), strict=True):
        if isinstance(tensor, GradientEdge):
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
    wanted = _listed(name, inputs)
    for one in wanted:
        if not isinstance(one, (Tensor, GradientEdge)):
            raise RuntimeError(
                f"all inputs have to be Tensors or GradientEdges, but got {type(one).__name__}"
            )
    return wanted


def _listed(name, inputs):
    if isinstance(inputs, Mapping):
        if type(inputs) is not dict:
            raise TypeError(
                f"`inputs` argument to `{name}()` must be a dict, not {type(inputs).__name__}. "
                "Other Mapping types are not supported."
            )
        return list(inputs.values())
    return as_list(inputs)


@overload
def grad(
    outputs: Any,
    inputs: dict[str, Tensor],
    grad_outputs: Any = ...,
    retain_graph: bool | None = ...,
    create_graph: bool = ...,
    only_inputs: bool = ...,
    allow_unused: bool | None = ...,
    is_grads_batched: bool = ...,
    materialize_grads: bool = ...,
) -> dict[str, Tensor]: ...
@overload
def grad(
    outputs: Any,
    inputs: Tensor | GradientEdge | Sequence[Any],
    grad_outputs: Any = ...,
    retain_graph: bool | None = ...,
    create_graph: bool = ...,
    only_inputs: bool = ...,
    allow_unused: bool | None = ...,
    is_grads_batched: bool = ...,
    materialize_grads: bool = ...,
) -> tuple[Tensor, ...]: ...
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
    roots, wanted = as_list(outputs), _inputs_of("grad", inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if not only_inputs:
        warnings.warn(_ONLY_INPUTS, FutureWarning, stacklevel=3)
    if is_grads_batched:
        options = dict(retain_graph=retain_graph, create_graph=create_graph)
        options |= dict(allow_unused=allow_unused, materialize_grads=materialize_grads)
        found = _batched_grad(roots, wanted, as_list(grad_outputs, len(roots)), options)
    else:
        arriving = first_gradients(roots, as_list(grad_outputs, len(roots)))
        keep = create_graph if retain_graph is None else retain_graph
        edges = [input_edge(tensor) for tensor in wanted]
        found = walk(roots, arriving, keep, create_graph, edges)
        _fill_up(found, wanted, materialize_grads, allow_unused, create_graph)
        found = [_as_shown(*of) for of in zip(wanted, found, strict=True)]
    return dict(zip(inputs, found, strict=True)) if type(inputs) is dict else tuple(found)


def _as_shown(tensor, gradient):
    if gradient is None or type(tensor) is GradientEdge or tensor._specified is None:
        return gradient
    return tensor._as_gradient(gradient)  # of a sparse one's elements


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
            found[number] = filled_like(tensor, 0)
            found[number].requires_grad = create_graph
        elif not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {number} appears to not have been used in the "
                "graph. Set allow_unused=True if this is the desired behavior."
            )


def _batched_grad(outputs, inputs, grad_outputs, options):
    """Gradients for every slice of `grad_outputs` along their first dimension."""
    check_batches(outputs, grad_outputs)
    given = [g for g in grad_outputs if g is not None]
    unused = []

    def one(slices):
        arriving = iter(slices)
        full = [None if g is None else next(arriving) for g in grad_outputs]
        found = grad(outputs, inputs, full, **options)
        unused.extend(g is None for g in found)
        return [g for g in found if g is not None], []

    stacked, _ = autograd.batching.vectorize(one, given, [0] * len(given), given[0].shape[0])
    arriving = iter(stacked)
    return tuple(None if missing else next(arriving) for missing in unused)
