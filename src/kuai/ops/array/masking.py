"""Masks: elements chosen, filled and written where a tensor of truth values says so."""

import math

import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor import from_array
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import cast, scalar_name
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops.accumulation import spread
from kuai.ops.array import selecting
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.known_values import check_value, known

_OF_SELECT = "{}(): self and result must have the same scalar type"
_OF_NONZERO = "nonzero: Expected out tensor to have scalar type Long but got scalar type{found}"


@composite(inplace=True)
def masked_fill(input, mask, value):
    """The input with one value where the mask is true.

    Example:
        >>> kuai.zeros(2).masked_fill(kuai.tensor([True, False]), 5)
        tensor([5., 0.])
    """
    check_value(value, input.dtype.jax)
    return filled_at_mask(input, mask, value)


@op(function=False, method=False, name="masked_fill", grad="MaskedFillBackward0")
def filled_at_mask(input: Array, mask: Array, value: Array | Number):
    """`masked_fill` with a value that fits."""
    if mask.dtype != bool:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {_lower(mask)}"
        )
    if value.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    shape = broadcast_shapes(mask.shape, input.shape)  # as PyTorch's error names them
    return jnp.where(mask, spread(cast(value, input.dtype), shape), spread(input, shape))


def _lower(array):
    return {"uint8": "unsigned char", "int64": "long int"}.get(
        array.dtype.name, scalar_name(array.dtype).lower()
    )


@composite(exact_out=_OF_SELECT.format("masked_select"))
def masked_select(input, mask):
    """The elements where the mask is true, as a vector.

    Example:
        >>> kuai.tensor([1, 2, 3]).masked_select(kuai.tensor([True, False, True]))
        tensor([1, 3])
    """
    if mask.dtype.name != "bool":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(shape_of(mask), shape_of(input))  # as PyTorch's error names them
    return selecting.expand(input, shape)[selecting.expand(mask, shape)]


_BYTES = (
    "masked_scatter_ received a mask with dtype torch.uint8, this behavior is now deprecated,"
    "please use a mask with dtype torch.bool instead."
)


@composite(inplace=True)
def masked_scatter(input, mask, source):
    """The input with the elements of `source`, in order, where the mask is true.

    Example:
        >>> kuai.zeros(3).masked_scatter(kuai.tensor([True, False, True]), kuai.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    if mask.dtype.name == "uint8":
        warn_once(_BYTES, stacklevel=2)
    given = known(mask) if mask.dtype.name == "bool" else None
    if given is not None:
        copies = math.prod(broadcast_shapes(shape_of(input), shape_of(mask))) // max(given.size, 1)
        if source.numel() < given.sum() * copies:
            raise RuntimeError("Number of elements of source < number of ones in mask")
    return scattered_at_mask(input, mask, source)


@op(function=False, method=False, name="masked_scatter", grad="MaskedScatterBackward0")
def scattered_at_mask(input: Array, mask: Array, source: Array):
    """`masked_scatter` of a source that is long enough."""
    if mask.dtype != bool:
        raise RuntimeError(
            "masked_scatter_ only supports boolean masks, but got mask with dtype "
            f"{scalar_name(mask.dtype)}"
        )
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got "
            f"{scalar_name(input.dtype)} and {scalar_name(source.dtype)}"
        )
    shape = broadcast_shapes(input.shape, mask.shape)
    mask = jnp.broadcast_to(mask, shape)
    order = jnp.cumsum(mask.ravel(), dtype=jnp.int64).reshape(shape) - 1
    values = source.ravel().at[jnp.maximum(order, 0)].get(mode="clip")
    return jnp.where(mask, values, spread(input, shape))


# Where a mask would be true -----------------------------------------------------------------------


@composite(exact_out=_OF_NONZERO)
def nonzero(input, *, as_tuple=False):
    """The indices of the elements that are not zero, one a row; or one tensor a dimension.

    Example:
        >>> kuai.tensor([0, 3, 0, 4]).nonzero()
        tensor([[1],
                [3]])
    """
    array = concrete(input, "nonzero()")
    if as_tuple:
        found = np.nonzero(array if array.ndim else array[None])
        return tuple(from_array(part.astype(np.int64), input.device) for part in found)
    found = np.stack(np.nonzero(array), -1) if array.ndim else np.zeros((int(array != 0), 0))
    return from_array(found.astype(np.int64), input.device)


@composite
def argwhere(input):
    """The indices of the elements that are not zero, one a row.

    Example:
        >>> kuai.tensor([0, 3]).argwhere()
        tensor([[1]])
    """
    return nonzero(input)
