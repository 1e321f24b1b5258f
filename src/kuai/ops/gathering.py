"""Gathering and scattering: elements at the places that a tensor of integers names."""

import functools

import jax.numpy as jnp
import numpy as np

from kuai.engine.concrete import concrete
from kuai.engine.door import Array, Number, composite, op
from kuai.engine.promotion import cast, result_dtype, scalar_name
from kuai.engine.tensor import Tensor, from_array
from kuai.ops import indexing, shaping
from kuai.ops.dimensions import broadcast_shapes, normalize_dim
from kuai.ops.indexing import wrapped
from kuai.ops.shaping import shape_of

# Along one dimension ------------------------------------------------------------------------------


def _check_integers(index, name, also_int=True):
    allowed = ("int64", "int32") if also_int else ("int64",)
    if index.dtype.name not in allowed:
        wanted = "int32/int64" if also_int else "int64"
        raise RuntimeError(f"{name}(): Expected dtype {wanted} for index")


def _check_places(index, dim, size):
    """PyTorch's error for an index beyond the end."""
    indexing.check_range(
        index, size, "index {} is out of bounds for dimension " + f"{dim} with size {size}"
    )


def _grown(array):
    return array.reshape(1) if array.ndim == 0 else array


def _spots(index, dim, size):
    """Coordinates of every element of `index`, with `index` itself along `dim`."""
    grid = list(jnp.indices(index.shape, sparse=True))
    grid[dim] = wrapped(index, size)
    return tuple(grid)


@op(function=False, method=False, grad="GatherBackward0")
def gathered_along(input: Array, dim: int, index: Array):
    """`gather` on arrays."""
    _check_integers(index, "gather")
    if max(input.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    source, places = _grown(input), _grown(index)
    for d, (size, wanted) in enumerate(zip(source.shape, places.shape, strict=True)):
        if d != dim and wanted > size:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be no "
                f"larger than self {list(input.shape)} apart from dimension {dim}"
            )
    found = source.at[_spots(places, dim, source.shape[dim])].get(mode="clip")
    return found.reshape(index.shape)


@composite
def gather(input, dim, index, *, sparse_grad=False):
    """The elements at `index` along `dim`: `out[i][j] = input[index[i][j]][j]` for `dim=0`.

    Example:
        >>> kuai.gather(kuai.tensor([[1, 2], [3, 4]]), 1, kuai.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    _check_places(index, dim, shape[dim] if shape else 1)
    return gathered_along(input, dim, index)


_REDUCTIONS = {"sum": "add", "add": "add", "prod": "multiply", "multiply": "multiply"}
_REDUCTIONS |= {"amax": "max", "amin": "min", "mean": "add"}


def _scatter(input, dim, index, source, how, include_self=True, mean=False):
    target, places = _grown(input), _grown(index)
    source = _grown(source)
    _check_scatter(target, dim, places, source)
    source = source[tuple(slice(0, n) for n in places.shape)]
    spots = _spots(places, dim, target.shape[dim])
    count = None
    if mean:
        start = jnp.ones if include_self else jnp.zeros
        count = start(target.shape, jnp.int64).at[spots].add(1, mode="drop")
    if not include_self:
        target = target.at[spots].set(_neutral(how, target.dtype), mode="drop")
    made = getattr(target.at[spots], how)(source, mode="drop")
    if mean:
        count = jnp.maximum(count, 1).astype(made.dtype)
        made = made // count if made.dtype.kind in "iu" else made / count
    return made.reshape(input.shape)


def _neutral(how, kind):
    if how in ("add", "multiply"):
        return jnp.asarray(int(how == "multiply"), kind)
    limits = jnp.finfo(kind) if jnp.issubdtype(kind, jnp.floating) else jnp.iinfo(kind)
    edge = limits.min if how == "max" else limits.max
    if jnp.issubdtype(kind, jnp.floating):
        edge = -jnp.inf if how == "max" else jnp.inf
    return jnp.asarray(edge, kind)


def _check_scatter(input, dim, index, source):
    if input.dtype != source.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    _check_integers(index, "scatter")
    if not input.ndim == index.ndim == source.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    for d, wanted in enumerate(index.shape):
        if wanted > source.shape[d] or (d != dim and wanted > input.shape[d]):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart "
                f"from dimension {dim} and to be no larger size than src {list(source.shape)}"
            )


def _full(index, value, like):
    return jnp.full(index.shape, cast(value, like.dtype))


@op(function=False, method=False, grad="ScatterBackward0")
def scattered(input: Array, dim: int, index: Array, source: Array):
    """`scatter` with a tensor."""
    return _scatter(input, dim, index, source, "set")


@op(function=False, method=False, grad="ScatterBackward1")
def scattered_value(input: Array, dim: int, index: Array, value: Number):
    """`scatter` with a number."""
    return _scatter(input, dim, index, _full(index, value, input), "set")


@op(function=False, method=False, grad="ScatterReduceBackward0")
def scattered_reduced(
    input: Array, dim: int, index: Array, source: Array | Number, reduce: str, include_self: bool
):
    """`scatter_reduce` with a tensor or a number."""
    if not source.ndim and index.ndim:
        source = _full(index, source, input)
    return _scatter(input, dim, index, source, _REDUCTIONS[reduce], include_self, reduce == "mean")


@op(function=False, method=False, grad="ScatterAddBackward0")
def scattered_sum(input: Array, dim: int, index: Array, source: Array):
    """`scatter_add` on arrays."""
    return _scatter(input, dim, index, source, "add")


def _prepared(input, dim, index):
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    _check_places(index, dim, shape[dim] if shape else 1)
    return dim


@composite(inplace=True)
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """The input with `src` (a tensor or a number) at the places `index` along `dim`.

    Example:
        >>> kuai.zeros(3).scatter(0, kuai.tensor([2, 0]), kuai.tensor([1.0, 5.0]))
        tensor([5., 0., 1.])
    """
    dim = _prepared(input, dim, index)
    source = value if src is None else src
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        return scattered_reduced(input, dim, index, source, reduce, True)
    if isinstance(source, Tensor):
        return scattered(input, dim, index, source)
    return scattered_value(input, dim, index, source)


@composite(inplace=True)
def scatter_add(input, dim, index, src):
    """The input with `src` added at the places `index` along `dim`.

    Example:
        >>> kuai.zeros(2).scatter_add(0, kuai.tensor([1, 1]), kuai.tensor([1.0, 5.0]))
        tensor([0., 6.])
    """
    return scattered_sum(input, _prepared(input, dim, index), index, src)


@composite(inplace=True)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """The input combined with `src` at the places `index`: `sum`, `prod`, `mean`, `amax` or `amin`.

    Example:
        >>> kuai.zeros(2).scatter_reduce(0, kuai.tensor([1, 1]), kuai.tensor([1.0, 5.0]), "amax")
        tensor([0., 5.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    return scattered_reduced(input, _prepared(input, dim, index), index, src, reduce, include_self)


# Whole slices -------------------------------------------------------------------------------------


def _vector(index, name):
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return index.reshape(-1)


@op(function=False, method=False, grad="IndexSelectBackward0")
def slices_at(input: Array, dim: int, index: Array):
    """`index_select` on arrays."""
    _check_integers(index, "index_select")
    places = _vector(index, "index_select")
    source = _grown(input)
    found = jnp.take(source, wrapped(places, source.shape[dim]), axis=dim, mode="clip")
    return found if input.ndim else found.reshape(())


@composite
def index_select(input, dim, index):
    """The slices along `dim` that `index` names.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]]).index_select(1, kuai.tensor([1]))
        tensor([[2],
                [4]])
    """
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    indexing.check_range(index, shape[dim] if shape else 1, "index out of range in self")
    return slices_at(input, dim, index)


def _at_slices(input, dim, index, how, source):
    source = _grown(source)
    spots = (*(slice(None),) * dim, wrapped(_vector(index, "index_add"), _grown(input).shape[dim]))
    made = getattr(_grown(input).at[spots], how)(source.astype(input.dtype), mode="drop")
    return made.reshape(input.shape)


def _slice_op(name, grad, how):
    def change(input: Array, dim: int, index: Array, source: Array | Number):
        _check_integers(index, name)
        if not source.ndim:
            size = tuple(index.size if d == dim else n for d, n in enumerate(_grown(input).shape))
            return _at_slices(input, dim, index, how, jnp.full(size, cast(source, input.dtype)))
        if source.dtype != input.dtype:
            raise RuntimeError(
                f"{name}_(): self ({scalar_name(input.dtype)}) and source ({scalar_name(source.dtype)}) "
                "must have the same scalar type"
            )
        if source.shape[dim] != index.size:
            raise IndexError(
                f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim): "
                f"({source.shape[dim]}), for dim: {dim}"
            )
        return _at_slices(input, dim, index, how, source)

    change.__name__ = change.__qualname__ = f"{name}_at"
    change.__doc__ = f"`{name}` on arrays."
    return op(function=False, method=False, grad=grad)(change)


_index_add = _slice_op("index_add", "IndexAddBackward0", "add")
_index_copy = _slice_op("index_copy", "IndexCopyBackward0", "set")
_index_fill = _slice_op("index_fill", "IndexFillBackward0", "set")


@composite(inplace=True)
def index_add(input, dim, index, source, *, alpha=1):
    """The input with `alpha * source` added to the slices that `index` names.

    Example:
        >>> kuai.zeros(2).index_add(0, kuai.tensor([1, 1]), kuai.ones(2))
        tensor([0., 2.])
    """
    dim = _prepared(input, dim, index)
    return _index_add(input, dim, index, source if alpha == 1 else source * alpha)


@composite(inplace=True)
def index_copy(input, dim, index, source):
    """The input with the slices that `index` names replaced by those of `source`.

    Example:
        >>> kuai.zeros(3).index_copy(0, kuai.tensor([2]), kuai.ones(1))
        tensor([0., 0., 1.])
    """
    return _index_copy(input, _prepared(input, dim, index), index, source)


@composite(inplace=True)
def index_fill(input, dim, index, value):
    """The input with one value in the slices that `index` names.

    Example:
        >>> kuai.zeros(3).index_fill(0, kuai.tensor([2, 0]), 7)
        tensor([7., 0., 7.])
    """
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    return _index_fill(input, _prepared(input, dim, index), index, value)


@composite(inplace=True)
def index_put(input, indices, values, accumulate=False):
    """The input with values at the places that a tuple of index tensors names.

    Example:
        >>> kuai.zeros(3).index_put((kuai.tensor([1]),), kuai.tensor(5.0))
        tensor([0., 5., 0.])
    """
    full = [*indices, *[None] * (len(shape_of(input)) - len(indices))]
    places, found = indexing.integer_indices(input, full)
    indexing.check_same_dtype(input, values)
    return indexing.replaced(input, places, found, values, bool(accumulate))


# Masks --------------------------------------------------------------------------------------------


@op(inplace=True)
def masked_fill(input: Array, mask: Array, value: Array | Number):
    """The input with one value where the mask is true.

    Example:
        >>> kuai.zeros(2).masked_fill(kuai.tensor([True, False]), 5)
        tensor([5., 0.])
    """
    if mask.dtype != bool:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {_lower(mask)}"
        )
    if value.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    if (
        result_dtype(input, value) != input.dtype
        and result_dtype(input, value).kind != input.dtype.kind
    ):
        raise RuntimeError(f"value cannot be converted to type {_c_name(input)} without overflow")
    shape = broadcast_shapes(input.shape, mask.shape)
    return jnp.where(mask, cast(value, input.dtype), jnp.broadcast_to(input, shape))


def _lower(array):
    return {"uint8": "unsigned char"}.get(array.dtype.name, scalar_name(array.dtype).lower())


def _c_name(array):
    names = {
        "int64": "int64_t",
        "int32": "int",
        "uint8": "uint8_t",
        "int8": "int8_t",
        "int16": "int16_t",
    }
    return names.get(array.dtype.name, array.dtype.name)


@composite
def masked_select(input, mask):
    """The elements where the mask is true, as a vector.

    Example:
        >>> kuai.tensor([1, 2, 3]).masked_select(kuai.tensor([True, False, True]))
        tensor([1, 3])
    """
    if mask.dtype.name != "bool":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(shape_of(input), shape_of(mask))
    return shaping.expand(input, shape)[shaping.expand(mask, shape)]


@op(inplace=True)
def masked_scatter(input: Array, mask: Array, source: Array):
    """The input with the elements of `source`, in order, where the mask is true.

    Example:
        >>> kuai.zeros(3).masked_scatter(kuai.tensor([True, False, True]), kuai.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    if mask.dtype != bool:
        raise RuntimeError("masked_scatter_ only supports boolean masks")
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got "
            f"{scalar_name(input.dtype)} and {scalar_name(source.dtype)}"
        )
    shape = broadcast_shapes(input.shape, mask.shape)
    mask = jnp.broadcast_to(mask, shape)
    order = jnp.cumsum(mask.ravel(), dtype=jnp.int64).reshape(shape) - 1
    values = source.ravel().at[jnp.maximum(order, 0)].get(mode="clip")
    return jnp.where(mask, values, jnp.broadcast_to(input, shape))


# Flat indices -------------------------------------------------------------------------------------


@op
def take(input: Array, index: Array):
    """The elements at places counted as if the input had one dimension.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]]).take(kuai.tensor([0, 3]))
        tensor([1, 4])
    """
    if index.dtype.name != "int64":
        raise RuntimeError(
            f"take(): Expected a long tensor for index, but got {scalar_name(index.dtype)}"
        )
    return input.ravel().at[wrapped(index, input.size)].get(mode="clip")


@composite
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
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but "
            f"got {len(shape_of(input))} dimensions for input, and {len(shape_of(indices))} dimensions "
            "for indices"
        )
    dim = normalize_dim(dim, len(shape_of(input)))
    ones = [list(shape_of(tensor)) for tensor in (input, indices)]
    lengths = [shape[dim] for shape in ones]
    for shape in ones:
        shape[dim] = 1
    together = list(broadcast_shapes(*ones))
    sizes = [(*together[:dim], length, *together[dim + 1 :]) for length in lengths]
    return gather(shaping.expand(input, sizes[0]), dim, shaping.expand(indices, sizes[1]))


@op(function=False, method=False, grad="PutBackward0")
def put_at(input: Array, index: Array, source: Array, accumulate: bool):
    """`put` on arrays."""
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{scalar_name(input.dtype)} and source.dtype = {scalar_name(source.dtype)}"
        )
    target = input.ravel().at[wrapped(index.ravel(), input.size)]
    change = target.add if accumulate else target.set
    return change(source.ravel(), mode="drop").reshape(input.shape)


@composite(inplace=True, function=False)
def put(self, index, source, accumulate=False):
    """The tensor with `source` at places counted as if it had one dimension.

    Example:
        >>> kuai.zeros(2, 2).put(kuai.tensor([3]), kuai.tensor([1.0]))
        tensor([[0., 0.],
                [0., 1.]])
    """
    return put_at(self, index, source, bool(accumulate))


@composite
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
    return from_array(np.argwhere(array).astype(np.int64).reshape(-1, array.ndim), input.device)


@composite
def argwhere(input):
    """The indices of the elements that are not zero, one a row.

    Example:
        >>> kuai.tensor([0, 3]).argwhere()
        tensor([[1]])
    """
    return nonzero(input)


# Slices replaced, as functions --------------------------------------------------------------------


def _with_part(input, src, part):
    made = input.clone()
    window = part(made)
    if shape_of(window) != shape_of(src):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(shape_of(src))}, "
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
    return _with_part(input, src, functools.partial(shaping.select, dim=dim, index=index))


@composite
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
    return _with_part(input, src, lambda made: shaping.diagonal(made, offset, dim1, dim2))
