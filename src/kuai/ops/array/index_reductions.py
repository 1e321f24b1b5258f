"""Elements combined at places that tensors name: `index_reduce`, `segment_reduce`."""

import math

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor import dtypes
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import widened
from kuai.ops.array import creation
from kuai.ops.array.gathering import scatter_reduce
from kuai.ops.array.joining import cat
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import normalize_dim
from kuai.ops.elementwise import BOOL, COMPLEX, FLOATING, INTEGER, kind_of, refuse
from kuai.ops.return_types import return_type

_FREXP = return_type("frexp", "mantissa", "exponent")
_REDUCTIONS = ("prod", "mean", "amax", "amin")


@composite(inplace=True, exact_out=SAME)
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """The input with the slices that `index` names combined with those of `source`.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the input's own slices count.

    Example:
        >>> kuai.ones(2).index_reduce(0, kuai.tensor([1, 1]), kuai.tensor([2.0, 3.0]), "prod")
        tensor([1., 6.])
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "index_reduce_(): Expected dtype int32/int64 for index but got: "
            + scalar_name(index.dtype.jax)
        )
    shape = shape_of(source)
    if not shape:
        input_1d = input.reshape(-1)
        made = index_reduce(
            input_1d, 0, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        )
        return made.reshape(shape_of(input))
    dim = normalize_dim(dim, len(shape))
    wide = [1] * len(shape)
    wide[dim] = -1
    places = index.long().reshape(wide).expand(shape)
    return scatter_reduce(input, dim, places, source, reduce, include_self=include_self)


# Places -------------------------------------------------------------------------------------------


@composite(method=False)
def unravel_index(indices, shape):
    """The coordinates of places that are counted through the whole of a tensor of a shape.

    Example:
        >>> kuai.unravel_index(kuai.tensor([5, 1]), (2, 3))
        (tensor([1, 0]), tensor([2, 1]))
    """
    kind = indices.dtype
    if kind.is_floating_point or kind.is_complex or kind is dtypes.bool_:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {kind}")
    indices = indices.long()
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    strides = [math.prod(sizes[place + 1 :]) for place in range(len(sizes))]
    return tuple(
        indices.div(stride, rounding_mode="floor") % size
        for stride, size in zip(strides, sizes, strict=True)
    )


@op
def nonzero_static(input: Array, *, size: int, fill_value: int = -1):
    """The indices of elements that are not zero, a row each, cut or filled up to `size` rows.

    Its shape does not depend on the numbers, so it stays inside a compiled program.

    Example:
        >>> kuai.nonzero_static(kuai.tensor([1, 0, 2]), size=3)
        tensor([[ 0],
                [ 2],
                [-1]])
    """
    if size < 0:
        raise RuntimeError(
            f"nonzero_static: 'size' must be an non-negative integer, but got {size}"
        )
    if not input.size or not input.ndim:
        return jnp.full((size, input.ndim), fill_value, jnp.int64)
    places = jnp.nonzero(input, size=size, fill_value=fill_value)
    return jnp.stack(places, -1).astype(jnp.int64)


# Segments -----------------------------------------------------------------------------------------


@op(function=False, method=False, name="segment_reduce", grad="SegmentReduceBackward0")
def reduced_segments(data: Array, offsets: Array, reduce: str, axis: int, initial: Number | None):
    """The reduction of the elements between neighbouring offsets along an axis."""
    refuse("_segment_reduce_cpu", data, BOOL, INTEGER, COMPLEX)
    batch = offsets.ndim - 1
    data = jnp.moveaxis(data, axis, batch)
    size = data.shape[batch]

    def one(rows, edges):
        inside = (jnp.arange(size) >= edges[:-1, None]) & (jnp.arange(size) < edges[1:, None])
        mask = inside.reshape(*inside.shape, *(1,) * (rows.ndim - 1))
        return _reduced(rows[None], mask, reduce, initial)

    function = one
    for _ in range(batch):
        function = jax.vmap(function)
    return jnp.moveaxis(function(data, offsets), batch, axis)


_START = {"sum": 0, "mean": 0, "prod": 1, "max": -math.inf, "min": math.inf}


def _reduced(rows, mask, reduce, initial):
    start = _START[reduce] if initial is None else initial
    if reduce in ("max", "min"):
        neutral = jnp.where(mask, rows, _START[reduce])
        extreme, pair = (jnp.max, jnp.maximum) if reduce == "max" else (jnp.min, jnp.minimum)
        return pair(extreme(neutral, 1, initial=_START[reduce]), start).astype(rows.dtype)
    if reduce == "prod":
        return (jnp.prod(jnp.where(mask, rows, 1), 1, dtype=rows.dtype) * start).astype(rows.dtype)
    total = jnp.sum(jnp.where(mask, widened(rows), 0), 1) + start
    if reduce == "sum":
        return total.astype(rows.dtype)
    count = jnp.sum(mask, 1)
    empty = jnp.nan if initial is None else initial
    return jnp.where(count == 0, empty, total / jnp.maximum(count, 1)).astype(rows.dtype)


@composite(method=False)
def segment_reduce(
    data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None
):
    """The sum, mean, largest, smallest element or product of each of several segments.

    Args:
        lengths: how many elements each segment has, one after the other; or
        offsets: where each begins, and where the last one ends.
        axis: the dimension that is divided.
        initial: what a segment begins with.

    Example:
        >>> kuai.segment_reduce(kuai.arange(4.0), "max", lengths=kuai.tensor([1, 3]))
        tensor([0., 3.])
    """
    if reduce not in _START:
        raise RuntimeError(
            f"segment_reduce(): Expected reduce to be one of {list(_START)} but got {reduce}."
        )
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if offsets is None:
        if lengths is None:
            raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
        first = creation.zeros((*lengths.shape[:-1], 1), dtype=lengths.dtype)
        offsets = cat([first, lengths.cumsum(-1)], -1)
    return reduced_segments(data, offsets, reduce, axis, initial)


# Halves of numbers --------------------------------------------------------------------------------


_OF_FREXP = (
    "torch.frexp() expects mantissa to have dtype {c_wanted} but got {c_found}",
    "torch.frexp() expects exponent to have int dtype but got {c_found}",
)


@op(result=_FREXP, exact_out=_OF_FREXP)
def frexp(input: Array):
    """Mantissa and exponent of each element: x = m 2ᵉ with ½ ≤ |m| < 1.

    Example:
        >>> kuai.frexp(kuai.tensor([3.0, -0.5])).mantissa
        tensor([ 0.7500, -0.5000])
    """
    if kind_of(input) != FLOATING:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    mantissa, exponent = jnp.frexp(input)
    ordinary = jnp.isfinite(input)
    exponent = jnp.where(ordinary, exponent, 0).astype(jnp.int32)
    scale = jax.lax.stop_gradient(exponent)
    half = jnp.ldexp(jnp.asarray(1, jnp.float64), -scale).astype(jnp.float64)
    wide = input.astype(jnp.float64) * half
    return jnp.where(ordinary, wide.astype(input.dtype), input), exponent
