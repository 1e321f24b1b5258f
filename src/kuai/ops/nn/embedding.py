"""Look-up tables: rows of a matrix chosen by whole numbers, alone or in bags."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import is_tensor
from kuai.engine.tensor.modes import no_grad
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide, widened
from kuai.ops.array.numpy_arrays import gathered_in_memory
from kuai.ops.known_values import check_within, first_outside, known, lie_within
from kuai.ops.nn.vector_norms import vector_norm


@functools.partial(jax.custom_jvp)
def _scale_gradient(x, factor):
    """x itself, with a gradient multiplied by a factor."""
    return x


@_scale_gradient.defjvp
def _scale_gradient_jvp(primals, tangents):
    x, factor = primals
    return x, tangents[0] * factor


def _rows(weight, indices, padding_idx, scale_grad_by_freq):
    """Rows of the table; an index out of range gives nan: a program cannot raise."""
    rows_there = weight.shape[0]
    places = jnp.where(indices < 0, rows_there, indices)
    rows = in_wide(lambda wide: jnp.take(wide, places, axis=0, mode="fill"), weight)
    factor = jnp.ones(indices.shape, weight.dtype)
    if scale_grad_by_freq:
        counts = jnp.zeros(rows_there, jnp.int64).at[places.ravel()].add(1, mode="drop")
        factor = factor / jnp.take(counts, places, mode="clip").astype(weight.dtype)
    if padding_idx >= 0:
        factor = jnp.where(indices == padding_idx, jnp.zeros((), weight.dtype), factor)
    if scale_grad_by_freq or padding_idx >= 0:
        return _scale_gradient(rows, factor[..., None])
    return rows


def _check_indices(indices, weight, name):
    if indices.dtype not in (jnp.int64, jnp.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{scalar_name(indices.dtype)}Tensor instead "
            f"(while checking arguments for {name})"
        )
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")


@op(function=False, method=False, grad="EmbeddingBackward0")
def _embedding_op(weight: Array, indices: Array, padding_idx: int, scale_grad_by_freq: bool):
    _check_indices(indices, weight, "embedding")
    return _rows(weight, indices, padding_idx, scale_grad_by_freq)


@op(function=False, method=False)
def _renormalized(weight: Array, indices: Array, max_norm: float, norm_type: float):
    """The table with the rows that are looked up scaled to a norm of at most `max_norm`."""
    used = jnp.zeros(weight.shape[0], bool).at[indices.ravel()].set(True, mode="drop")
    norms = vector_norm(weight, norm_type, 1)
    scale = jnp.where(used & (norms > max_norm), max_norm / (norms + 1e-7), 1)
    return weight * scale.astype(weight.dtype)[:, None]


def _limit_norm(weight, indices, max_norm, norm_type):
    with no_grad():
        overwrite(weight, _renormalized(weight, indices, float(max_norm), float(norm_type)))


def _padding_row(padding_idx, rows):
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


@composite(function=False, method=False, functional=True)
def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
):
    """Rows of `weight` at the indices `input`.

    Args:
        padding_idx: a row that gets no gradient.
        max_norm: rows that are looked up are first scaled, in place, to this norm at most.
        scale_grad_by_freq: divide a row's gradient by how often it is looked up.

    Shape:
        input `(*)`, weight `(rows, columns)`, output `(*, columns)`.

    Example:
        >>> kuai.nn.functional.embedding(kuai.tensor([1]), kuai.tensor([[1.0], [2.0]]))
        tensor([[2.]])

    Differs from PyTorch: on a GPU, and computed in a compiled function, an index out of range gives
    nan; `sparse` gradients are dense.
    """
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    padding_idx = _padding_row(padding_idx, weight.shape[0])
    if not input.dtype.is_floating_point:
        check_within(input, weight.shape[0], "index out of range in self", IndexError)
    if max_norm is not None:
        _limit_norm(weight, input, max_norm, norm_type)
    if input.dtype.name in ("int64", "int32"):
        found = gathered_in_memory(weight, (0,), (input,))
        if found is not None:
            return found
    return _embedding_op(weight, input, padding_idx, scale_grad_by_freq)


@op(function=False, method=False)
def _one_hot_op(tensor: Array, num_classes: int):
    classes = jnp.arange(num_classes, dtype=tensor.dtype)
    return (tensor[..., None] == classes).astype(jnp.int64)


@composite(function=False, method=False, functional=True)
def one_hot(tensor, num_classes=-1):
    """A 1 at the place of each index, 0 elsewhere.

    Args:
        num_classes: -1 takes one more than the greatest index, which needs its value.

    Example:
        >>> kuai.nn.functional.one_hot(kuai.tensor([0, 2]))
        tensor([[1, 0, 0],
                [0, 0, 1]])

    Differs from PyTorch: with `num_classes` given, an index out of range gives a row of zeros on a
    GPU and where a compiled function has computed it.
    """
    if str(tensor.dtype) != "torch.int64":
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if tensor.shape.numel() == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        if tensor.min().item() < 0:
            raise RuntimeError("Class values must be non-negative.")
        num_classes = tensor.max().item() + 1
    if num_classes < 1:
        raise RuntimeError("Class values must be smaller than num_classes.")
    if not lie_within(tensor, 0, num_classes - 1):
        negative = not lie_within(tensor, 0, float("inf"))
        what = "non-negative" if negative else "smaller than num_classes"
        raise RuntimeError(f"Class values must be {what}.")
    return _one_hot_op(tensor, num_classes)


# Bags ---------------------------------------------------------------------------------------------


@op(function=False, method=False, grad="EmbeddingBagBackward0")
def _embedding_bag_op(
    weight: Array,
    indices: Array,
    offsets: Array,
    per_sample_weights: Array | None,
    mode: str,
    padding_idx: int,
    scale_grad_by_freq: bool,
    bags: int,
):
    """Sum, mean or maximum of the rows of each bag; bag i starts at offsets[i]."""
    _check_indices(indices, weight, "embedding_bag")
    rows = _rows(weight, indices, padding_idx, scale_grad_by_freq)
    positions = jnp.arange(indices.shape[0], dtype=offsets.dtype)
    bag = jnp.searchsorted(offsets[:bags], positions, side="right") - 1
    counted = indices != padding_idx
    if mode == "max":
        lowest = jnp.where(counted[:, None], rows, -jnp.inf)
        best = jax.ops.segment_max(lowest, bag, bags)
        return jnp.where(jnp.isneginf(best), jnp.zeros((), rows.dtype), best)
    factor = counted.astype(rows.dtype)
    weights = factor if per_sample_weights is None else factor * per_sample_weights
    total = jax.ops.segment_sum(widened(rows * weights[:, None]), bag, bags)
    if mode == "mean":
        total = total / jnp.maximum(jax.ops.segment_sum(widened(factor), bag, bags), 1)[:, None]
    return total.astype(rows.dtype)


def _check_bag(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights):
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
            f"then it must have the same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
            f"fixed length sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if input.ndim == 1:
        _check_offsets(offsets)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. "
            "per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )


def _check_offsets(offsets):
    if not is_tensor(offsets):
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")


def _check_bag_values(input, offsets, rows):
    """PyTorch's errors for rows that do not exist and bags that begin nowhere."""
    if not lie_within(input, 0, rows - 1):
        place = first_outside(input, 0, rows - 1, place=True)
        raise RuntimeError(
            f"Index {place} of input takes value {first_outside(input, 0, rows - 1)} which is not "
            f"in the valid range [0, {rows})"
        )
    starts = None if offsets is None else known(offsets)
    if starts is None or not starts.size:
        return
    if starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    if starts[-1] > input.shape[0]:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {input.shape[0]} but got "
            f"offsets[-1] of {starts[-1]}"
        )


@op(function=False, method=False)
def _flattened(input: Array):
    return input.reshape(-1)


@op(function=False, method=False)
def _bag_starts(input: Array):
    return jnp.arange(input.shape[0], dtype=jnp.int64) * input.shape[1]


@composite(function=False, method=False, functional=True)
def embedding_bag(
    input,
    weight,
    offsets: Any = None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq: bool = False,
    mode="mean",
    sparse: bool = False,
    per_sample_weights=None,
    include_last_offset: bool = False,
    padding_idx=None,
):
    """Sum, mean or maximum of the rows of `weight` for each bag of indices.

    Shape:
        input `(bags, size)`, or `(N)` with offsets `(bags)`; output `(bags, columns)`.

    Example:
        >>> table = kuai.tensor([[1.0], [2.0], [4.0]])
        >>> kuai.nn.functional.embedding_bag(kuai.tensor([[0, 2]]), table, mode="sum")
        tensor([[5.]])
    """
    _check_bag(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights)
    _check_bag_values(input, offsets, weight.shape[0])
    padding_idx = _padding_row(padding_idx, weight.shape[0])
    if input.ndim == 2:
        offsets = _bag_starts(input)
        input = _flattened(input)
        if per_sample_weights is not None:
            per_sample_weights = _flattened(per_sample_weights)
    bags = offsets.shape[0] - (1 if include_last_offset else 0)
    if max_norm is not None:
        _limit_norm(weight, input, max_norm, norm_type)
    return _embedding_bag_op(
        weight, input, offsets, per_sample_weights, mode, padding_idx, scale_grad_by_freq, bags
    )
