"""Whole slices at the places that a vector names, and slices replaced, as functions."""

import functools
from typing import Any

import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.overriding import named
from kuai.engine.tensor.promotion import cast, scalar_name
from kuai.ops.accumulation import in_wide, spread, widened
from kuai.ops.array import indexing, selecting
from kuai.ops.array.gathering import check_integers, grown, prepared
from kuai.ops.array.indexing import wrapped
from kuai.ops.array.numpy_arrays import gathered_in_memory
from kuai.ops.array.replacing import replaced_at
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import normalize_dim
from kuai.ops.known_values import check_value, check_within

_OF_SELECT = "{}(): self and result must have the same scalar type"

# Whole slices -------------------------------------------------------------------------------------


def _vector(index, name):
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return index.reshape(-1)


@op(function=False, method=False, grad="IndexSelectBackward0")
def slices_at(input: Array, dim: int, index: Array):
    """`index_select` on arrays."""
    check_integers(index, "index_select", "int32 or int64")
    places = _vector(index, "index_select")
    if not input.ndim and index.size != 1:
        raise RuntimeError(
            f"index_select(): Index to scalar can have only 1 value, got {index.size} value(s)"
        )
    source = grown(input)
    places = wrapped(places, source.shape[dim])
    found = in_wide(lambda wide: jnp.take(wide, places, axis=dim, mode="clip"), source)
    return found if input.ndim else found.reshape(())


@composite(exact_out=_OF_SELECT.format("index_select"))
def index_select(input, dim, index):
    """The slices along `dim` that `index` names.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]]).index_select(1, kuai.tensor([1]))
        tensor([[2],
                [4]])
    """
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    check_within(index, shape[dim] if shape else 1, "index out of range in self", IndexError)
    if shape and index.ndim == 1 and index.dtype.name in ("int64", "int32"):
        found = gathered_in_memory(input, (dim,), (index,))
        if found is not None:
            return found
    return slices_at(input, dim, index)


def _at_slices(input, dim, index, how, source):
    target, source = grown(input), grown(source).astype(input.dtype)
    places = wrapped(_vector(index, "index_add"), target.shape[dim])
    if how == "set":
        return replaced_at(target, (*(None,) * dim, places), source).reshape(input.shape)
    spots = target.at if input.dtype == jnp.bool_ else widened(target).at
    spots = spots[(*(slice(None),) * dim, places)]
    add = spots.max if input.dtype == jnp.bool_ else spots.add
    return add(source, mode="drop").astype(input.dtype).reshape(input.shape)


def _slice_op(name, grad, how, check, autocast=None):
    def change(input: Array, dim: int, index: Array, source: Array | Number):
        check(input, dim, index, source)
        return _at_slices(input, dim, index, how, source)

    change.__name__ = change.__qualname__ = f"{name}_at"
    change.__doc__ = f"`{name}` on arrays."
    return op(function=False, method=False, grad=grad, autocast=autocast)(change)


def _check_add(input, dim, index, source):
    """PyTorch's errors for the arguments of `index_add`."""
    if index.ndim > 1:
        raise IndexError(
            f"index_add_(): Index is supposed to be a vector, but got dim: {index.ndim} with type: "
            f"{scalar_name(index.dtype)} and size: {list(index.shape)}"
        )
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "index_add_(): Expected dtype int32/int64 for index but got: "
            + scalar_name(index.dtype)
        )
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"index_add_(): self ({scalar_name(input.dtype)}) and source "
            f"({scalar_name(source.dtype)}) must have the same scalar type"
        )
    count = source.shape[dim] if source.ndim > dim else 1
    mine, theirs = (tuple(n for d, n in enumerate(s.shape) if d != dim) for s in (input, source))
    if input.ndim and source.ndim and mine != theirs:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )
    if count != index.size:
        raise RuntimeError(
            f"index_add_(): Number of indices ({index.size}) should be equal to source.size(dim): "
            f"({count}), for dim: {dim}"
        )


def _check_copy(input, dim, index, source):
    """PyTorch's errors for the arguments of `index_copy`."""
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if not source.ndim and index.size != 1:
        raise IndexError(
            "index_copy_(): When source is scalar, index should have one element "
            f"(got {index.size})"
        )
    if source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must "
            f"match. Source dimensionality ({source.ndim}), destination dimensionality "
            f"({input.ndim})"
        )
    if index.dtype.name != "int64":
        raise RuntimeError(
            f"index_copy_(): Expected a long tensor for index, but got {scalar_name(index.dtype)}"
        )
    if source.dtype != input.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{scalar_name(input.dtype)} and (source) {scalar_name(source.dtype)}"
        )
    _check_slices(input, dim, source)
    if source.ndim and source.shape[dim] != index.size:
        raise IndexError(
            f"index_copy_(): Number of indices ({index.size}) should be equal to source.size(dim) "
            f"({source.shape[dim]})"
        )


def _check_slices(input, dim, source):
    mine, theirs = ([n for d, n in enumerate(s.shape) if d != dim] for s in (input, source))
    if mine != theirs:
        shown = (" ".join(map(str, sizes)) for sizes in (mine, theirs))
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination "
            "slice shape: {0} at dimension {2} and source slice shape: {1} at dimension {3}."
            "".format(*shown, dim, dim if source.ndim else 0)
        )


_index_add = _slice_op("index_add", "IndexAddBackward0", "add", _check_add)
_index_copy = _slice_op(
    "index_copy", "IndexCopyBackward0", "set", _check_copy, autocast={"cpu": "widest"}
)


@op(function=False, method=False, grad="IndexFillBackward0")
def _index_fill(input: Array, dim: int, index: Array, value: Array | Number):
    """`index_fill` on arrays: a place that comes twice is one place, also for the gradient."""
    target = grown(input)
    size = target.shape[dim]
    places = wrapped(_vector(index, "index_fill"), size)
    filled = jnp.zeros(size, bool).at[places].set(True, mode="drop")
    filled = filled.reshape([size if d == dim else 1 for d in range(target.ndim)])
    value = spread(cast(value, input.dtype), target.shape)
    return jnp.where(filled, value, target).reshape(input.shape)


def _slices_of(input, dim):
    """The dimension counted from the front, and its size; a 0-d tensor has one of size 1."""
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    return dim, shape[dim] if shape else 1


@composite(inplace=True, exact_out=SAME)
def index_add(input, dim, index, source, *, alpha=1):
    """The input with `alpha * source` added to the slices that `index` names.

    Example:
        >>> kuai.zeros(2).index_add(0, kuai.tensor([1, 1]), kuai.ones(2))
        tensor([0., 2.])
    """
    if len(shape_of(input)) > 1:
        dim = prepared(input, dim, index)
    else:  # PyTorch's other kernel
        dim, size = _slices_of(input, dim)
        check_within(index, size, "index out of range in self", IndexError)
    if alpha != 1:
        is_bool = source.dtype.name == "bool"
        factor = _whole(alpha, source.dtype)
        source = (source * factor).bool() if is_bool else source * factor
    return _index_add(input, dim, index, source)


def _whole(factor: Any, dtype) -> Any:
    """A factor of whole numbers is one, as in PyTorch."""
    counts = not (dtype.is_floating_point or dtype.is_complex or dtype.name == "bool")
    return int(factor) if counts and isinstance(factor, float) else factor


@composite(inplace=True, exact_out=SAME)
def index_copy(input, dim, index, source):
    """The input with the slices that `index` names replaced by those of `source`.

    Example:
        >>> kuai.zeros(3).index_copy(0, kuai.tensor([2]), kuai.ones(1))
        tensor([0., 0., 1.])
    """
    dim, size = _slices_of(input, dim)
    text = f"index_copy_(): index {{}} is out of bounds for dimension {dim} with size {size}"
    check_within(index, size, text, IndexError)
    return _index_copy(input, dim, index, source)


@composite(inplace=True)
def index_fill(input, dim, index, value):
    """The input with one value in the slices that `index` names.

    Example:
        >>> kuai.zeros(3).index_fill(0, kuai.tensor([2, 0]), 7)
        tensor([7., 0., 7.])
    """
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    dim, size = _slices_of(input, dim)
    if index.dtype.name != "int64":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    is_complex = value.dtype.is_complex if isinstance(value, Tensor) else type(value) is complex
    if is_complex and not input.dtype.is_complex:
        raise RuntimeError(
            "index_fill_(): Converting complex Scalar to non-complex type is not supported"
        )
    indexing.check_range(
        index, size, "index {} is out of bounds for dimension " + f"{dim} with size {size}"
    )
    check_value(value, input.dtype.jax)
    return _index_fill(input, dim, index, value)


@composite(inplace=True, autocast={"cuda": "widest"})
def index_put(input, indices, values, accumulate=False):
    """The input with values at the places that a tuple of index tensors names.

    Example:
        >>> kuai.zeros(3).index_put((kuai.tensor([1]),), kuai.tensor(5.0))
        tensor([0., 5., 0.])
    """
    for place, given, kind, allowed in (
        (1, indices, "tuple of Tensors", (tuple, list)),
        (2, values, "Tensor", Tensor),
    ):
        if not isinstance(given, allowed):
            raise TypeError(
                f"index_put(): argument '{'indices' if place == 1 else 'values'}' (position "
                f"{place}) must be {kind}, not {named(type(given))}"
            )
    for place, each in enumerate(indices):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"expected Tensor as element {place} in argument 0, but got {named(type(each))}"
            )
    count = len(shape_of(input))
    dims = sum([each.ndim if indexing.is_mask(each) else 1 for each in indices])
    if dims > count:
        raise IndexError(f"too many indices for tensor of dimension {count} (got {dims})")
    if any(each.ndim == 0 and indexing.is_mask(each) for each in indices):
        made = input.clone()  # true or false for the whole, as in an index
        made[tuple(indices)] = made[tuple(indices)] + values if accumulate else values
        return made
    full = [*indices, *[None] * (count - len(indices))]
    places, found = indexing.integer_indices(input, full)
    indexing.check_source(input, places, found, values)
    return indexing.replaced(input, places, found, values, accumulate)


# Slices replaced, as functions --------------------------------------------------------------------


def _with_part(input, src, part):
    made = input.clone()
    window = part(made)
    if shape_of(window) != shape_of(src):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(shape_of(src))}, "
            f"slice size = {list(shape_of(window))}"
        )
    indexing.fill(window, src)
    return made


@composite
def select_scatter(input, src, dim, index):
    """A copy of the input with `src` at one index of a dimension.

    Example:
        >>> kuai.zeros(2, 2).select_scatter(kuai.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    return _with_part(input, src, functools.partial(selecting.select, dim=dim, index=index))


@composite(exact_out=SAME)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of the input with `src` in a slice of a dimension.

    Example:
        >>> kuai.zeros(3).slice_scatter(kuai.ones(2), 0, 1)
        tensor([0., 1., 1.])
    """
    dim = normalize_dim(dim, len(shape_of(input)))
    place = (*(slice(None),) * dim, slice(start, end, step))
    return _with_part(input, src, lambda made: made[place])


@composite
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of the input with `src` on a diagonal.

    Example:
        >>> kuai.zeros(2, 2).diagonal_scatter(kuai.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    return _with_part(input, src, lambda made: selecting.diagonal(made, offset, dim1, dim2))
