"""Where a walk over the tape begins: tensors or edges, and the gradients that arrive there."""

import math

from kuai.engine.autograd.tape import GradientEdge, place_of
from kuai.engine.tensor import Tensor, devices, dtypes, views, wrap
from kuai.engine.tensor.size import Size

__all__ = ["as_list", "check_batches", "filled_like", "first_gradients", "input_edge"]


def check_batches(outputs, grad_outputs):
    """PyTorch's errors for gradients that are no batches of the outputs' shapes."""
    for number, (output, gradient) in enumerate(zip(outputs, grad_outputs, strict=True)):
        shape = _type_of(output)[0]
        if gradient is None and math.prod(shape) != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if gradient is None:
            raise ValueError(
                "vmap(vjp, in_dims=0, ...)(<inputs>): Got in_dim=0 for some input, but that input "
                "is a Tensor of dimensionality 0 so expected in_dim to satisfy 0 <= in_dim < 0."
            )
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


def input_edge(tensor):
    edge = place_of(tensor)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def as_list(given, count=0):
    if given is None:
        return [None] * count
    return [given] if isinstance(given, (Tensor, GradientEdge)) else list(given)


def filled_like(tensor, number):
    array = views.outline(tensor)
    return wrap(devices.filled(array.shape, array.dtype, number, devices.placement(array)))


def first_gradients(roots, given):
    for gradient in given:
        if gradient is not None and not isinstance(gradient, Tensor):
            raise TypeError(
                f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
            )
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
