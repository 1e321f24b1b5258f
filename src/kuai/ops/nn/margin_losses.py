"""Losses of margins between scores.

Each is an operation on arrays, and a public function that sorts out PyTorch's old arguments.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import summed
from kuai.ops.elementwise import floating, refuse, together
from kuai.ops.known_values import lie_within
from kuai.ops.nn.loss_reduction import as_input, check_reduction, hinge, legacy_reduction, reduced


@op(function=False, method=False, grad="MeanBackward0", autocast="float32")
def _hinge_embedding_loss_op(input: Array, target: Array, margin: Number, reduction: str):
    kind = input.dtype
    if not jnp.issubdtype(kind, jnp.inexact):
        return _hinge_of_integers(input, target, margin.astype(kind), reduction)
    target, input = together(target, input)
    zero = jnp.zeros((), input.dtype)
    apart = jnp.where(target == 1, zero, hinge(margin - input))
    loss = apart + jnp.where(target == -1, zero, input)
    return reduced(loss.astype(kind), reduction)


def _hinge_of_integers(input, target, margin, reduction):
    """PyTorch has the margin in the input's dtype, and no mean of integers."""
    apart = jnp.where(target == 1, 0, jnp.maximum(margin - input, 0))
    loss = (apart + jnp.where(target == -1, 0, input)).astype(input.dtype)
    if reduction == "mean":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {scalar_name(input.dtype)}"
        )
    return loss if reduction == "none" else loss.sum(dtype=jnp.int64)


@composite(function=False, method=False, functional=True)
def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """x where y = 1, max(0, margin - x) where y = -1.

    Args:
        margin: distances beyond it are large enough.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.hinge_embedding_loss(kuai.tensor([0.25]), kuai.tensor([-1.0]))
        tensor(0.7500)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _hinge_embedding_loss_op(input, target, float(margin), reduction)


@op(function=False, method=False, grad="MeanBackward0", autocast="float32")
def _margin_ranking_loss_op(
    input1: Array, input2: Array, target: Array, margin: Number, reduction: str
):
    input1, input2, target = together(input1, input2, target)
    return reduced(hinge(floating(-target * (input1 - input2)) + margin), reduction)


@composite(function=False, method=False, functional=True)
def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -y·(x₁ - x₂) + margin).

    Args:
        margin: by how much.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        three of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> one = kuai.ones(1)
        >>> kuai.nn.functional.margin_ranking_loss(one, one * 3, one)
        tensor(2.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return _margin_ranking_loss_op(input1, input2, target, float(margin), reduction)


@op(function=False, method=False, grad="SoftMarginLossBackward0", autocast="float32")
def _soft_margin_loss_op(input: Array, target: Array, reduction: str):
    given, (input, target) = input, together(input, target)
    if given.shape != (shape := jnp.broadcast_shapes(given.shape, target.shape)):
        raise RuntimeError(
            f"output with shape {list(given.shape)} doesn't match the broadcast shape {list(shape)}"
        )
    return reduced(as_input(jax.nn.softplus(-target * input), given), reduction)


@composite(function=False, method=False, functional=True)
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + e^(-y·x)).

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.soft_margin_loss(kuai.zeros(1), kuai.ones(1))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _soft_margin_loss_op(input, target, reduction)


@op(function=False, method=False, grad="MeanBackward0", autocast={"cuda": "float32"})
def _multilabel_soft_margin_loss_op(
    input: Array, target: Array, weight: Array | None, reduction: str
):
    refuse("log_sigmoid_cpu", input, 0, 1)
    if not input.ndim:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    classes, axis = input.shape[-1], input.ndim - 1
    target, input = together(target, input)
    scores, others = jax.nn.log_sigmoid(input), jax.nn.log_sigmoid(-input)
    loss = -(target * scores + (1 - target) * others)
    if weight is not None:
        loss = jnp.multiply(*together(loss, weight))
    return reduced(summed(loss, axis) / classes, reduction)


@composite(function=False, method=False, functional=True)
def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes of binary cross entropies of logits.

    Args:
        weight: one number w for each class.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target `(N, C)`; a number, or `(N,)` with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.multilabel_soft_margin_loss(kuai.zeros(1, 2), kuai.ones(1, 2))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    return _multilabel_soft_margin_loss_op(input, target, weight, reduction)


@op(function=False, method=False, grad="MultiMarginLossBackward0", autocast="float32")
def _multi_margin_loss_op(
    input: Array, target: Array, weight: Array | None, p: int, margin: Number, reduction: str
):
    check_reduction(reduction)
    _check_filled(input)
    rows, index = jnp.atleast_2d(input), jnp.atleast_1d(target)
    if index.shape != rows.shape[:1]:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of "
            f"input samples (batch size). Expected target size [{rows.shape[0]}], "
            f"but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.shape != rows.shape[1:]:
        raise RuntimeError(
            f"inconsistent weight size, expected {rows.shape[1]} but got {list(weight.shape)}"
        )
    if index.dtype != jnp.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_name(index.dtype)}")
    chosen = jnp.arange(rows.shape[1], dtype=index.dtype) == index[:, None]
    right = jnp.sum(jnp.where(chosen, rows, 0), axis=1, keepdims=True)
    short = margin - right + rows
    loss = jnp.where((short > 0) & ~chosen, short, jnp.zeros((), rows.dtype)) ** p
    loss = loss if weight is None else loss * weight[index][:, None]
    total = jnp.sum(loss, axis=1) / rows.shape[1]
    return reduced(total.reshape(target.shape), reduction)


def _check_filled(input):
    """Only a batch may be empty."""
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )


@composite(function=False, method=False, functional=True)
def multi_margin_loss(
    input,
    target,
    p=1,
    margin=1.0,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """Σ max(0, margin - x_y + x_i)ᵖ / C over all classes i other than y.

    Args:
        p: 1 or 2.
        margin: by how much.
        weight: one number w for each class.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input `(N, C)` or `(C,)`, target `(N,)` or `()` of class indices.

    Example:
        >>> kuai.nn.functional.multi_margin_loss(kuai.zeros(1, 2), kuai.tensor([0]))
        tensor(0.5000)

    Reference: Crammer & Singer, "On the algorithmic implementation of multiclass kernel-based
    vector machines", 2001.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    loss = _multi_margin_loss_op(input, target, weight, p, float(margin), reduction)
    if not lie_within(target, 0, input.shape[-1] - 1 if input.ndim else 0):
        raise RuntimeError("target out of range")
    return loss


@op(function=False, method=False, grad="MultilabelMarginLossBackward0", autocast="float32")
def _multilabel_margin_loss_op(input: Array, target: Array, reduction: str):
    check_reduction(reduction)
    _check_filled(input)
    is_one = input.ndim < 2 and target.ndim < 2 and input.size == target.size
    if input.shape != target.shape and not is_one:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    if target.dtype != jnp.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_name(target.dtype)}")
    rows, index = jnp.atleast_2d(input), jnp.atleast_2d(target)
    used = jnp.cumsum(index < 0, axis=1) == 0  # a row's labels end at the first negative one
    one_hot = (index[:, :, None] == jnp.arange(rows.shape[1], dtype=index.dtype)) & used[:, :, None]
    is_target = jnp.any(one_hot, axis=1)
    right = jnp.sum(jnp.where(one_hot, rows[:, None, :], 0), axis=2)
    short = 1 - right[:, :, None] + rows[:, None, :]
    counts = used[:, :, None] & ~is_target[:, None, :] & (short > 0)
    loss = jnp.sum(jnp.where(counts, short, 0), axis=(1, 2)) / rows.shape[1]
    return reduced(loss.reshape(target.shape[:-1]), reduction)


@composite(function=False, method=False, functional=True)
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Σ max(0, 1 - x_y + x_i) / C over all labels y and all classes i that are no label.

    Args:
        target: class indices, ended by a negative one.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target `(N, C)` or `(C,)`; a row's labels end at the first negative one.

    Example:
        >>> y = kuai.tensor([[0, -1]])
        >>> kuai.nn.functional.multilabel_margin_loss(kuai.zeros(1, 2), y)
        tensor(0.5000)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    loss = _multilabel_margin_loss_op(input, target, reduction)
    if not lie_within(target, -1, (input.shape[-1] if input.ndim else 1) - 1):
        raise RuntimeError("argument #2 'target' is out of range")
    return loss
