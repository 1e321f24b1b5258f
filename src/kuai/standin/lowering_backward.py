"""What a dispatch mode is told of a backward pass: PyTorch's operations that its steps are made of.

The tape's nodes are Kuai's operations. Those whose steps programs count or watch (products,
convolutions, attention, activations, sums) are taken apart here as PyTorch does it, and what the
mode answers is what goes on down the tape; a mode is not told of the others.
"""

import math
from collections.abc import Callable
from typing import Any

from kuai.engine.autograd.running import OpNode
from kuai.engine.tensor import Tensor
from kuai.standin.lowering_elements import ELEMENTS
from kuai.standin.lowering_layers import Tell
from kuai.standin.lowering_steps import Step, fitting

__all__ = ["tell_backward"]


def tell_backward(told: Tell, node: Any, gradients: list) -> list | None:
    """The gradients of a node's inputs, where `told` is asked for each operation; or None."""
    if not isinstance(node, OpNode) or node.residuals is None or len(gradients) != 1:
        return None
    operation = node.entry.operation
    name = node.entry.name
    lowered = _LOWERED.get(name)
    if lowered is None or gradients[0] is None or not hasattr(operation, "described"):
        return None
    if node.arrays is None and name not in _LINEAR:
        return None
    step = Step(node)
    tensors = [each for each in (*gradients, *step.inputs) if isinstance(each, Tensor)]
    if any(each.is_complex() for each in tensors):
        return None
    return lowered(told, step, gradients[0])


# Products -----------------------------------------------------------------------------------------


def _product(
    told: Tell, a: Tensor, b: Tensor, gradient: Tensor, wanted: Any, order: tuple = (1, 0)
) -> dict[int, Any]:
    """Of `a @ b`, two matrices or two batches of them."""
    name, turn = ("mm", ("t",)) if gradient.ndim == 2 else ("bmm", ("transpose", 1, 2))
    made = {}
    for place in order:
        if place in wanted:
            other = told(turn[0], (b, a)[place], *turn[1:])
            made[place] = told(name, *((gradient, other), (other, gradient))[place])
    return made


def _mm(told: Tell, step: Step, gradient: Tensor):
    return step.chosen(_product(told, step.inputs[0], step.inputs[1], gradient, step.wanted))


def _matmul(told: Tell, step: Step, gradient: Tensor):
    a, b = step.inputs[:2]
    if a.ndim < 2 or b.ndim < 2:
        return None
    if a.ndim == b.ndim == 2:
        return _mm(told, step, gradient)
    batch = gradient.shape[:-2]
    arriving = told("view", gradient, [math.prod(batch), *gradient.shape[-2:]])
    made = _product(told, _as_batch(a, batch), _as_batch(b, batch), arriving, step.wanted)
    return step.chosen({
        place: fitting(told, told("view", each, [*batch, *each.shape[1:]]), (a, b)[place].shape)
        for place, each in made.items()
    })  # fmt: skip


def _as_batch(each: Tensor, batch: Any) -> Tensor:
    return each.expand(*batch, *each.shape[-2:]).reshape(-1, *each.shape[-2:])


def _linear(told: Tell, step: Step, gradient: Tensor):
    input, weight, *bias = step.inputs
    if input.ndim < 2:
        return None
    rows = _rows(told, gradient)
    flat = input if input.ndim == 2 else input.reshape(-1, input.shape[-1])
    turned = weight.t()
    both = (_linear_input, _linear_weight) if bias else (_linear_weight, _linear_input)
    made: dict[int, Any] = {}
    for one in both:
        one(told, step, made, rows, flat, turned)
    if 2 in step.wanted:
        made[2] = fitting(told, rows, (weight.shape[0],))
    for place in (1, 0) if bias else (0, 1):
        if place == 1 and 1 in made:
            made[1] = told("t", made[1])
        if place == 0 and 0 in made and input.ndim != 2:
            made[0] = told("view", made[0], list(input.shape))
    return step.chosen(made)


def _linear_input(told: Tell, step: Step, made: dict, rows: Tensor, flat: Tensor, turned: Tensor):
    if 0 in step.wanted:
        made[0] = told("mm", rows, told("t", turned))


def _linear_weight(told: Tell, step: Step, made: dict, rows: Tensor, flat: Tensor, turned: Tensor):
    """Of the transposed weight, as PyTorch has it, whose product is with that one."""
    if 1 in step.wanted:
        made[1] = told("t", told("mm", told("t", rows), flat))


def _rows(told: Tell, each: Tensor) -> Tensor:
    return (
        each if each.ndim == 2 else told("view", each, [math.prod(each.shape[:-1]), each.shape[-1]])
    )


def _addmm(told: Tell, step: Step, gradient: Tensor):
    added, a, b, beta, alpha = step.inputs
    if beta != 1 or alpha != 1:
        return None
    places = [place - 1 for place in step.wanted]
    product = _product(told, a, b, gradient, places, (0, 1))
    made = {place + 1: each for place, each in product.items()}
    if 0 in step.wanted:
        made[0] = fitting(told, gradient, added.shape)
    return step.chosen(made)


# Layers -------------------------------------------------------------------------------------------


def _convolution(dims: int, transposed: bool) -> Callable:
    def lowered(told: Tell, step: Step, gradient: Tensor):
        input, weight, *bias = step.inputs
        options = step.options
        if isinstance(options["padding"], str):
            return None
        sizes = [_several(options[name], dims) for name in ("stride", "padding", "dilation")]
        more = _several(options.get("output_padding", 0), dims)
        mask = [place in step.wanted for place in range(3)]
        shape = [bias[0].shape[0]] if bias else None
        made = told(
            "convolution_backward", gradient, input, weight, shape, *sizes, transposed, more,
            options["groups"], mask,
        )  # fmt: skip
        return step.chosen(dict(enumerate(made)))

    return lowered


def _several(value: Any, count: int) -> list:
    return [value] * count if isinstance(value, int) else list(value)


def _attention(told: Tell, step: Step, gradient: Tensor):
    mask = step.inputs[3] if len(step.inputs) > 3 else None
    if step.wanted != (0, 1, 2):
        return None
    options = {name: step.options[name] for name in ("is_causal", "scale", "enable_gqa")}
    options |= {} if mask is None else {"attn_mask": mask}
    return list(
        told("scaled_dot_product_attention_backward", gradient, *step.inputs[:3], **options)
    )


def _embedding(told: Tell, step: Step, gradient: Tensor):
    weight, indices = step.inputs[:2]
    options = step.options["padding_idx"], step.options["scale_grad_by_freq"]
    rows = step.shape_of(0)[0] if weight is None else weight.shape[0]
    return [told("embedding_dense_backward", gradient, indices, rows, *options)]


#: Operations whose inputs nothing depends on.
_LINEAR = {"sum", "mean", "add", "sub", "neg", "reshaped", "permuted"}
_LOWERED: dict[str, Callable] = {
    "linear": _linear, "mm": _mm, "bmm": _mm, "matmul": _matmul, "addmm": _addmm,
    "_attention": _attention, "_embedding_op": _embedding,
    **{f"conv{n}d": _convolution(n, False) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _convolution(n, True) for n in (1, 2, 3)},
    **ELEMENTS,
}  # fmt: skip
