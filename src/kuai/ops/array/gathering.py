"""Gathering and scattering: elements at the places that a tensor of integers names."""

import math

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import cast
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops.accumulation import in_wide, widened
from kuai.ops.array.indexing import wrapped
from kuai.ops.array.replacing import replaced_at
from kuai.ops.array.scattered_products import multiplied_at
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import normalize_dim
from kuai.ops.known_values import check_fits, check_within

# Along one dimension ------------------------------------------------------------------------------


def check_integers(index, name, wanted="int32/int64"):
    """PyTorch's error for an index that is no integer."""
    if index.dtype.name not in ("int64", "int32") and math.prod(index.shape):
        raise RuntimeError(f"{name}(): Expected dtype {wanted} for index")


def _check_places(index, dim, size):
    """PyTorch's error for an index beyond the end."""
    text = "index {} is out of bounds for dimension " + f"{dim} with size {size}"
    check_within(index, size, text, RuntimeError)


def grown(array):
    """The array with at least one dimension."""
    return array.reshape(1) if array.ndim == 0 else array


def _spots(index, dim, length):
    """Coordinates of every element of `index`, with `index` itself along `dim`."""
    grid = [
        lax.broadcasted_iota(jnp.int64, (*(1,) * d, size, *(1,) * (index.ndim - d - 1)), d)
        for d, size in enumerate(index.shape)
    ]
    grid[dim] = wrapped(index, length)
    return tuple(grid)


def check_gather(input, dim, index):
    """PyTorch's errors for sizes and dtypes that do not fit together."""
    check_integers(index, "gather")
    shape, wanted = shape_of(input), shape_of(index)
    if 0 in wanted:
        return
    if max(len(shape), 1) != max(len(wanted), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for d, (size, count) in enumerate(zip(shape or (1,), wanted or (1,), strict=True)):
        if d != dim and count > size:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(wanted)} to be no "
                f"larger than self {list(shape)} apart from dimension {dim}"
            )


@op(function=False, method=False, grad="GatherBackward0")
def gathered_along(input: Array, dim: int, index: Array):
    """`gather` on arrays."""
    if not index.size:  # of any number of dimensions
        return jnp.zeros(index.shape, input.dtype)
    source, places = grown(input), grown(index)
    spots = _spots(places, dim, source.shape[dim])
    found = in_wide(lambda wide: wide.at[spots].get(mode="clip"), source)
    return found.reshape(index.shape)


@composite(exact_out=SAME)
def gather(input, dim, index, *, sparse_grad=False):
    """The elements at `index` along `dim`: `out[i][j] = input[index[i][j]][j]` for `dim=0`.

    Example:
        >>> kuai.gather(kuai.tensor([[1, 2], [3, 4]]), 1, kuai.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    check_gather(input, dim, index)
    _check_places(index, dim, shape[dim] if shape else 1)
    return gathered_along(input, dim, index)


_REDUCTIONS = {"sum": "add", "add": "add", "prod": "multiply", "multiply": "multiply"}
_REDUCTIONS |= {"amax": "max", "amin": "min", "mean": "add"}


def _scatter(input, dim, index, source, how: str, include_self=True, mean=False):
    if input.dtype == jnp.bool_:
        how = {"add": "max", "multiply": "min"}.get(how, how)
    target, places = grown(input), grown(index)
    source = grown(source)
    check_integers(index, "scatter")
    if not index.size:  # of any number of dimensions
        return input
    _check_scatter(target, dim, places, source)
    source = source[tuple(slice(0, n) for n in places.shape)]
    spots = _spots(places, dim, target.shape[dim])
    if how == "set":
        return replaced_at(target, spots, source).reshape(input.shape)
    if how == "multiply" and target.dtype.kind in "fV":
        made = multiplied_at(widened(target), widened(source), spots, include_self)
        return made.astype(input.dtype).reshape(input.shape)
    if not include_self:
        target = target.at[spots].set(_neutral(how, target.dtype), mode="drop")
    made = getattr(widened(target).at[spots], how)(widened(source), mode="drop")
    if mean:
        start = jnp.ones if include_self else jnp.zeros
        count = start(target.shape, jnp.int64).at[spots].add(1, mode="drop")
        count = jnp.maximum(count, 1).astype(made.dtype)
        made = made // count if made.dtype.kind in "iu" else made / count
    return made.astype(input.dtype).reshape(input.shape)


def _neutral(how, kind):
    if how in ("add", "multiply"):
        return jnp.asarray(int(how == "multiply"), kind)
    if kind == jnp.bool_:
        return jnp.asarray(how == "min")
    limits = jnp.finfo(kind) if jnp.issubdtype(kind, jnp.floating) else jnp.iinfo(kind)
    edge = limits.min if how == "max" else limits.max
    if jnp.issubdtype(kind, jnp.floating):
        edge = -jnp.inf if how == "max" else jnp.inf
    return jnp.asarray(edge, kind)


def _check_scatter(input, dim, index, source):
    if input.dtype != source.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    for d, wanted in enumerate(index.shape):
        if wanted > source.shape[d] or (d != dim and wanted > input.shape[d]):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self "
                f"{list(input.shape)} apart "
                f"from dimension {dim} and to be no larger size than src {list(source.shape)}"
            )


def _check_ranks(shape, wanted, source):
    """PyTorch's errors for an index with another number of dimensions than the tensors."""
    if not math.prod(wanted):
        return
    if max(len(wanted), 1) != max(len(shape), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if isinstance(source, Tensor) and max(len(wanted), 1) != max(source.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")


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


@op(function=False, method=False, grad="ScatterAddBackward0", autocast={"cuda": "widest"})
def scattered_sum(input: Array, dim: int, index: Array, source: Array):
    """`scatter_add` on arrays."""
    return _scatter(input, dim, index, source, "add")


def prepared(input, dim, index, source=None):
    """The dimension counted from the front, after a look at sizes and indices."""
    shape = shape_of(input)
    dim = normalize_dim(dim, len(shape))
    if source is not None:
        _check_ranks(shape, shape_of(index), source)
    _check_places(index, dim, shape[dim] if shape else 1)
    return dim


_OLD_REDUCE = (
    "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a "
    "future PyTorch release. Use torch.scatter_reduce instead for more reduction options."
)


@composite(inplace=True, exact_out=SAME)
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """The input with `src` (a tensor or a number) at the places `index` along `dim`.

    Example:
        >>> kuai.zeros(3).scatter(0, kuai.tensor([2, 0]), kuai.tensor([1.0, 5.0]))
        tensor([5., 0., 1.])
    """
    source = value if src is None else src
    dim = prepared(input, dim, index, source)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        if isinstance(source, Tensor):
            warn_once(_OLD_REDUCE, stacklevel=2)
        return scattered_reduced(input, dim, index, source, reduce, True)
    if isinstance(source, Tensor):
        return scattered(input, dim, index, source)
    check_fits(source, input.dtype.jax)
    return scattered_value(input, dim, index, source)


@composite(inplace=True, exact_out=SAME)
def scatter_add(input, dim, index, src):
    """The input with `src` added at the places `index` along `dim`.

    Example:
        >>> kuai.zeros(2).scatter_add(0, kuai.tensor([1, 1]), kuai.tensor([1.0, 5.0]))
        tensor([0., 6.])
    """
    return scattered_sum(input, prepared(input, dim, index, src), index, src)


@composite(inplace=True, exact_out=SAME)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """The input combined with `src` at the places `index`: `sum`, `prod`, `mean`, `amax` or `amin`.

    Example:
        >>> kuai.zeros(2).scatter_reduce(0, kuai.tensor([1, 1]), kuai.tensor([1.0, 5.0]), "amax")
        tensor([0., 5.])
    """
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    dim = prepared(input, dim, index, src)
    return scattered_reduced(input, dim, index, src, reduce, include_self)
