"""Cross entropy of a linear layer's scores in one operation.

With options the batch goes through in chunks, one after the other, and the backward pass computes
each chunk's scores anew: what is held in memory at once is one chunk's scores and not all of them.
"""

import dataclasses
import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor.dtypes import dtype as Dtype, int64
from kuai.ops.nn.classification import cross_entropy
from kuai.ops.nn.linear import linear

__all__ = ["LinearCrossEntropyOptions", "linear_cross_entropy"]


@dataclasses.dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` goes through the batch.

    Args:
        allow_retain_graph: accepted as in PyTorch; `backward` may always be called again.
        batch_chunk_size: how many examples at once.
        chunking_method: `'auto'`, or None for `batch_chunk_size` as it is; without that number as
            many chunks as the scores are larger than the input, at most one for each example.
        acc_policy: accepted as in PyTorch; sums are in float32 at least.
        acc_dtype: the dtype of the scores.

    Example:
        >>> kuai.nn.LinearCrossEntropyOptions(batch_chunk_size=2).batch_chunk_size
        2
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Dtype | None = None

    def rows(self, batch: int, features: int, classes: int) -> int:
        """The examples of a chunk."""
        if self.batch_chunk_size is not None:
            return max(1, min(self.batch_chunk_size, batch))
        if self.chunking_method is None:
            return max(1, batch)
        chunks = max(1, -(-classes // max(features, 1)))
        return max(1, -(-batch // chunks))


@op(function=False, method=False, grad="LinearCrossEntropyBackward0")
def _chunked(
    input: Array,
    weight: Array,
    target: Array,
    bias: Array | None,
    class_weight: Array | None,
    ignore_index: int,
    rows: int,
    reduction: str,
    kind: Any,
):
    """The loss of (N, features) inputs, `rows` of them at a time."""
    batch = input.shape[0]
    count = -(-batch // rows)
    missing = count * rows - batch
    inputs = jnp.pad(input, ((0, missing), (0, 0))).reshape(count, rows, -1)
    targets = jnp.pad(target, (0, missing), constant_values=ignore_index).reshape(count, rows)

    @jax.checkpoint
    def chunk(part):
        scores = jnp.matmul(part[0], weight.T, preferred_element_type=kind)
        scores = scores if bias is None else scores + bias
        logs = jax.nn.log_softmax(scores.astype(kind), axis=-1)
        used = part[1] != ignore_index
        label = jnp.where(used, part[1], 0)
        weights = used.astype(kind)
        if class_weight is not None:
            weights = weights * class_weight.astype(kind)[label]
        return -jnp.take_along_axis(logs, label[:, None], axis=1)[:, 0] * weights, weights

    losses, weights = (made.reshape(-1)[:batch] for made in jax.lax.map(chunk, (inputs, targets)))
    if reduction == "none":
        return losses.astype(input.dtype)
    total = losses.sum()
    return (total if reduction == "sum" else total / weights.sum()).astype(input.dtype)


def _check(input, weight, bias):
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {weight.ndim}"
        )
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    wanted = tuple(weight.shape[:-1])
    if bias is not None and tuple(bias.shape) != wanted:
        raise RuntimeError(f"expected linear_bias shape {wanted}, got {tuple(bias.shape)}")
    if weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires "
            f"batched input, (N, {input.shape[-1]}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )


@composite(function=False, method=False, functional=True)
def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """Cross entropy of the scores x Wᵀ + b: see `cross_entropy`.

    Args:
        linear_weight, linear_bias: W and b; with more dimensions there is a loss for each place.
        target: class indices, or probabilities in the shape of the scores.
        weight: a weight for each class.
        reduction: `'mean'`, weighted, `'sum'`, or `'none'`.
        ignore_index: class indices that count nothing; -100 by default.
        label_smoothing: how much of the target is spread evenly over all classes.
        options: `LinearCrossEntropyOptions`, to go through the batch in chunks.

    Shape:
        input `(N, F)` or `(F)`, linear_weight `(C, F)` or `(C, *, F)`, target `(N)` or `(N, *)`.

    Example:
        >>> x, w = kuai.eye(2), kuai.tensor([[2.0, 0.0], [0.0, 2.0]])
        >>> kuai.nn.functional.linear_cross_entropy(x, w, kuai.tensor([0, 1]))
        tensor(0.1269)
    """
    _check(input, linear_weight, linear_bias)
    classes, places = linear_weight.shape[0], tuple(linear_weight.shape[1:-1])
    shape = (*input.shape[:-1], classes, *places)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignore_index = -100 if ignore_index is None else ignore_index
    if options is not None and _can_chunk(target, places, reduction, label_smoothing):
        arguments = input, linear_weight, target, linear_bias, weight, ignore_index
        return _in_chunks(*arguments, reduction, options)
    scores = linear(
        input,
        linear_weight.reshape(math.prod(places) * classes, linear_weight.shape[-1]),
        None if linear_bias is None else linear_bias.reshape(-1),
    ).reshape(shape)
    return cross_entropy(
        scores,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
    )


def _can_chunk(target, places, reduction, label_smoothing):
    plain = reduction in ("mean", "sum", "none") and label_smoothing == 0
    if plain and target.dtype is int64 and not places:
        return True
    warnings.warn(
        "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
        "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == ().",
        stacklevel=3,
    )
    return False


def _in_chunks(input, linear_weight, target, bias, weight, ignore_index, reduction, options):
    is_batched = input.ndim == 2
    if not is_batched:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    kind = jnp.promote_types(input.dtype.jax, jnp.float32)
    kind = kind if options.acc_dtype is None else options.acc_dtype.jax
    rows = options.rows(input.shape[0], input.shape[1], linear_weight.shape[0])
    arguments = input, linear_weight, target, bias, weight
    made = _chunked(*arguments, int(ignore_index), rows, reduction, kind)
    return made.squeeze(0) if reduction == "none" and not is_batched else made
