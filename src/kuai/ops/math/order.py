"""Order statistics: median, mode, quantile and the k-th smallest."""

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import MEDIAN
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.promotion import promote
from kuai.ops.dimensions import normalize_dim
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, kind_of, refuse
from kuai.ops.known_values import lie_within
from kuai.ops.math.extremes import shared_by_equals
from kuai.ops.return_types import return_type

_OF_QUANTILE = "quantile() out tensor must be same dtype as the input tensor"
_OF_MODE = (
    "expected scalar type '{wanted}' but got '{found}' for values output",
    "expected scalar type 'Long' but got '{found}' for indices output",
)
_OF_KTHVALUE = (
    "output values must be of same type as input",
    "output indices must be of scalar type Long",
)

MedianResult = return_type("median", "values", "indices")
NanmedianResult = return_type("nanmedian", "values", "indices")
ModeResult = return_type("mode", "values", "indices")
KthvalueResult = return_type("kthvalue", "values", "indices")


def sort_with_indices(input, axis: int, descending: bool):
    """The sorted values and where they were; stable, NaN counts as the largest."""
    places = jax.lax.broadcasted_iota(jnp.int64, input.shape, axis)
    if not descending:
        return jax.lax.sort((input, places), dimension=axis, is_stable=True, num_keys=1)
    flipped = (jnp.flip(input, axis), jnp.flip(places, axis))
    values, indices = jax.lax.sort(flipped, dimension=axis, is_stable=True, num_keys=1)
    return jnp.flip(values, axis), jnp.flip(indices, axis)


def _at_rank(input, rank, axis, keepdim):
    """The element of each row with a rank in sorted order (a number, or one per row)."""
    if input.ndim == 0:
        return input, jnp.zeros((), jnp.int64)
    places = sort_with_indices(jax.lax.stop_gradient(input), axis, False)[1]
    shape = tuple(1 if dim == axis else size for dim, size in enumerate(input.shape))
    indices = jnp.take_along_axis(places, jnp.broadcast_to(rank, shape), axis)
    values = jnp.take_along_axis(input, indices, axis)
    if keepdim:
        return values, indices
    return jnp.squeeze(values, axis), jnp.squeeze(indices, axis)


def _middle(input, axis, keepdim, ignore_nan):
    """The lower median; NaN if there is one, unless they are ignored."""
    refuse("median_cpu", input, BOOL, COMPLEX)
    count = input.shape[axis] if input.ndim else 1
    if kind_of(input) == INTEGER or input.ndim == 0:
        return _at_rank(input, (count - 1) // 2, axis, keepdim)
    missing = jnp.sum(jnp.isnan(input), axis, keepdims=True)
    if ignore_nan:
        rank = jnp.maximum(count - missing - 1, 0) // 2
    else:
        rank = jnp.where(missing > 0, count - missing, (count - 1) // 2)
    return _at_rank(input, rank, axis, keepdim)


@op(function=False, method=False, name="median", grad="MedianBackward0")
def median_all(input: Array, ignore_nan: bool):
    """The lower median of all elements."""
    if input.size == 0:
        return jnp.full((), jnp.nan, input.dtype)
    return shared_by_equals(lambda x: _middle(x, 0, False, ignore_nan)[0], input.reshape(-1))


@op(
    function=False,
    method=False,
    name="median",
    grad="MedianBackward1",
    result=MedianResult,
    exact_out=MEDIAN,
)
def median_along(input: Array, dim: int, keepdim: bool):
    """The lower median along a dimension, and where it is."""
    return _middle(input, _filled_axis("median", input, dim), keepdim, False)


@op(
    function=False,
    method=False,
    name="nanmedian",
    grad="NanmedianBackward1",
    result=NanmedianResult,
)
def nanmedian_along(input: Array, dim: int, keepdim: bool):
    """The lower median of what is not NaN along a dimension, and where it is."""
    return _middle(input, _filled_axis("median", input, dim), keepdim, True)


@composite(exact_out=MEDIAN)
def median(input, dim=None, keepdim=False):
    """The median (the lower of two) of all elements, or along a dimension with its index.

    Example:
        >>> kuai.median(kuai.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    return median_all(input, False) if dim is None else median_along(input, dim, keepdim)


@composite(exact_out=MEDIAN)
def nanmedian(input, dim=None, keepdim=False):
    """`median` of the elements that are not NaN.

    Example:
        >>> kuai.nanmedian(kuai.tensor([3.0, float("nan"), 2.0]))
        tensor(2.)
    """
    return median_all(input, True) if dim is None else nanmedian_along(input, dim, keepdim)


def _filled_axis(name, input, dim):
    """The dimension counted from the front; PyTorch's error if it has nothing to choose from."""
    axis = normalize_dim(dim, input.ndim)
    if input.ndim and input.shape[axis] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return axis


@op(result=KthvalueResult, exact_out=_OF_KTHVALUE)
def kthvalue(input: Array, k: int, dim: int = -1, keepdim: bool = False):
    """The k-th smallest element along a dimension (k counts from 1), and where it is.

    Example:
        >>> kuai.kthvalue(kuai.tensor([3.0, 1.0, 2.0]), 2)
        torch.return_types.kthvalue(
        values=tensor(2.),
        indices=tensor(2))
    """
    refuse("kthvalue_cpu", input, COMPLEX)
    axis = _filled_axis("kthvalue", input, dim)
    if not 1 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    return _at_rank(input, k - 1, axis, keepdim)


@op(result=ModeResult, exact_out=_OF_MODE)
def mode(input: Array, dim: int = -1, keepdim: bool = False):
    """The most frequent element along a dimension (the smallest of several), and its last place.

    Example:
        >>> kuai.mode(kuai.tensor([2, 1, 2, 1, 3]))
        torch.return_types.mode(
        values=tensor(1),
        indices=tensor(3))
    """
    refuse("mode_cpu", input, COMPLEX)
    axis = _filled_axis("mode", input, dim)
    if input.ndim == 0:
        return input, jnp.zeros((), jnp.int64)
    indices = _mode_index(jnp.moveaxis(jax.lax.stop_gradient(input), axis, -1))
    indices = jnp.moveaxis(indices, -1, axis)
    values = jnp.take_along_axis(input, indices, axis)
    if keepdim:
        return values, indices
    return jnp.squeeze(values, axis), jnp.squeeze(indices, axis)


def _mode_index(rows):
    """Sorted, equal elements are runs; the place of the last of the first longest run."""
    last = rows.ndim - 1
    values, places = sort_with_indices(rows, last, False)
    iota = jax.lax.broadcasted_iota(jnp.int64, rows.shape, last)
    is_new = jnp.concatenate(
        [jnp.ones_like(values[..., :1], bool), values[..., 1:] != values[..., :-1]], axis=-1
    )
    length = iota - jax.lax.cummax(jnp.where(is_new, iota, 0), axis=last)
    longest = jnp.argmax(length, axis=-1, keepdims=True)
    return jnp.take_along_axis(places, longest, -1)


@op(function=False, method=False, name="quantile", grad="QuantileBackward0")
def quantile_of(
    input: Array, q: Array, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
):
    """Quantiles along a dimension or of all elements; those of `q` come first."""
    if input.dtype not in (jnp.float32, jnp.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if q.dtype != input.dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    if input.size == 0:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if q.ndim > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    axis = None if dim is None else normalize_dim(dim, input.ndim)
    axis, keepdim = (axis, keepdim) if input.ndim else (None, False)
    find = jnp.nanquantile if ignore_nan else jnp.quantile
    return promote(find(input, q, axis, method=interpolation, keepdims=keepdim))


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input, q, dim, keepdim, interpolation, ignore_nan):
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
        q = from_array(np.asarray(q, input.dtype.jax), input.device)
    elif not lie_within(q, 0, 1):
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    return quantile_of(input, q, dim, keepdim, interpolation, ignore_nan)


@composite(autocast={"cpu": "float32"}, exact_out=_OF_QUANTILE)
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The values below which the fractions `q` of the elements lie.

    Args:
        interpolation: between two elements: linear, lower, higher, midpoint or nearest.

    Example:
        >>> kuai.quantile(kuai.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
        tensor(1.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, False)


@composite(autocast={"cpu": "float32"}, exact_out=_OF_QUANTILE)
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """`quantile` of the elements that are not NaN.

    Example:
        >>> kuai.nanquantile(kuai.tensor([0.0, float("nan"), 2.0]), 0.5)
        tensor(1.)
    """
    return _quantile(input, q, dim, keepdim, interpolation, True)
