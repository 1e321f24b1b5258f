"""Elements at indices that count all of a tensor's, and at indices along one dimension."""

import math

import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide, widened
from kuai.ops.array import indexing, selecting, shaping
from kuai.ops.array.gathering import gather, gathered_along
from kuai.ops.array.indexing import wrapped
from kuai.ops.array.replacing import replaced_at
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import broadcast_shapes, normalize_dim

_OF_TAKE = (
    "take(): self and out expected to have the same dtype, but got self.dtype = {wanted} and "
    "out.dtype = {found}"
)


@composite(exact_out=_OF_TAKE)
def take(input, index):
    """The elements at places counted as if the input had one dimension.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]]).take(kuai.tensor([0, 3]))
        tensor([1, 4])
    """
    if not math.prod(shape_of(input)) and math.prod(shape_of(index)):
        raise IndexError("take(): tried to take from an empty tensor")
    if index.dtype.name == "int64":
        _check_flat(input, index)
    return taken(input, index)


@op(function=False, method=False, grad="TakeBackward0")
def taken(input: Array, index: Array):
    """`take` on arrays."""
    if index.dtype.name != "int64":
        raise RuntimeError(
            f"take(): Expected a long tensor for index, but got {scalar_name(index.dtype)}"
        )
    places = wrapped(index, input.size)
    return in_wide(lambda wide: wide.ravel().at[places].get(mode="clip"), input)


@composite(exact_out=SAME)
def take_along_dim(input, indices, dim=None):
    """`gather` that broadcasts; without `dim`, `take`.

    Example:
        >>> x = kuai.tensor([[3, 1, 2]])
        >>> x.take_along_dim(x.argsort(dim=1), dim=1)
        tensor([[1, 2, 3]])
    """
    if indices.dtype.name != "int64":
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            + scalar_name(indices.dtype.jax)
        )
    if dim is None:
        return gather(shaping.ravel(input), 0, shaping.ravel(indices))
    if len(shape_of(input)) != len(shape_of(indices)):
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of "
            "dimensions, but "
            f"got {len(shape_of(input))} dimensions for input, and {len(shape_of(indices))} "
            "dimensions "
            "for indices"
        )
    dim = normalize_dim(dim, len(shape_of(input)))
    if not shape_of(input):
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    size = shape_of(input)[dim]
    indexing.check_range(
        indices, size, "index {} is out of bounds for dimension " + f"{dim} with size {size}"
    )
    ones = [list(shape_of(tensor)) for tensor in (input, indices)]
    lengths = [shape[dim] for shape in ones]
    for shape in ones:
        shape[dim] = 1
    together = list(broadcast_shapes(*ones))
    sizes = [(*together[:dim], length, *together[dim + 1 :]) for length in lengths]
    places = selecting.expand(indices, sizes[1])
    return gathered_along(selecting.expand(input, sizes[0]), dim, places)


def _check_flat(input, index):
    """PyTorch's error for a place beyond the end; negative ones count from there."""
    count = math.prod(shape_of(input))
    text = f"out of range: tried to access index {{}} on a tensor of {count} elements."
    indexing.check_range(index, count, text)


@op(function=False, method=False, grad="PutBackward0")
def put_at(input: Array, index: Array, source: Array, accumulate: bool):
    """`put` on arrays."""
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{scalar_name(input.dtype)} and source.dtype = {scalar_name(source.dtype)}"
        )
    spots = wrapped(index.ravel(), input.size)
    if not accumulate:
        return replaced_at(input.ravel(), (spots,), source.ravel()).reshape(input.shape)
    target = widened(input).ravel().at[spots]
    add = target.max if input.dtype == jnp.bool_ else target.add
    made = add(widened(source).ravel(), mode="drop")
    return made.astype(input.dtype).reshape(input.shape)


@composite(inplace=True)
def put(self, index, source, accumulate=False):
    """The tensor with `source` at places counted as if it had one dimension.

    Example:
        >>> kuai.zeros(2, 2).put(kuai.tensor([3]), kuai.tensor([1.0]))
        tensor([[0., 0.],
                [0., 1.]])
    """
    counts = math.prod(shape_of(source)), math.prod(shape_of(index))
    if counts[0] != counts[1]:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {counts[0]}, index.numel() = {counts[1]}"
        )
    if index.dtype.name != "int64":
        raise RuntimeError(
            f"put_(): Expected a long tensor for index, but got {scalar_name(index.dtype.jax)}"
        )
    _check_flat(self, index)
    return put_at(self, index, source, accumulate)
