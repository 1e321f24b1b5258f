"""Sorting, searching and counting values.

`unique`, `unique_consecutive` and `bincount` give tensors whose shape depends on values, so they
need concrete values: they run eagerly, not inside a compiled step.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME, SEARCHED, check_exact
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.dimensions import normalize_dim
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, call, kind_of, refuse, together
from kuai.ops.known_values import check_within, known
from kuai.ops.math.order import sort_with_indices
from kuai.ops.return_types import return_type

SortResult = return_type("sort", "values", "indices")
TopkResult = return_type("topk", "values", "indices")

# Sorting ------------------------------------------------------------------------------------------


def _sorted(input, dim, descending):
    if kind_of(input) == COMPLEX:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return input, jnp.zeros((), jnp.int64)
    return sort_with_indices(input, axis, descending)


@op(result=SortResult, exact_out=SAME)
def sort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False):
    """The elements in order along a dimension, and where they were.

    Example:
        >>> kuai.sort(kuai.tensor([3.0, 1.0, 2.0]))
        torch.return_types.sort(
        values=tensor([1., 2., 3.]),
        indices=tensor([1, 2, 0]))
    """
    return _sorted(input, dim, descending)


@op(grad="SortBackward0", exact_out=SAME)
def msort(input: Array):
    """The elements in order along the first dimension.

    Example:
        >>> kuai.msort(kuai.tensor([3.0, 1.0, 2.0]))
        tensor([1., 2., 3.])
    """
    return _sorted(input, 0, False)[0]


@op
def argsort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False):
    """The indices that sort a tensor along a dimension.

    Example:
        >>> kuai.argsort(kuai.tensor([3.0, 1.0, 2.0]), descending=True)
        tensor([0, 2, 1])
    """
    return _sorted(jax.lax.stop_gradient(input), dim, descending)[1]


@op(result=TopkResult, exact_out=SAME)
def topk(input: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True):
    """The `k` largest (or smallest) elements along a dimension in order, and where they are.

    Example:
        >>> kuai.topk(kuai.tensor([1.0, 4.0, 3.0, 2.0]), 2)
        torch.return_types.topk(
        values=tensor([4., 3.]),
        indices=tensor([1, 2]))
    """
    if kind_of(input) == COMPLEX:
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    if kind_of(input) == BOOL:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    axis = normalize_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if input.ndim == 0:
        return input, jnp.zeros((), jnp.int64)
    rows = jnp.moveaxis(jax.lax.stop_gradient(input), axis, -1)
    indices = _ranked(rows, k, largest).astype(jnp.int64)
    indices = jnp.moveaxis(indices, -1, axis)
    return jnp.take_along_axis(input, indices, axis), indices


def _ranked(rows, k, largest):
    """The places of the first `k`; NaN counts as greater than every number."""
    if largest:
        return jax.lax.top_k(rows, k)[1]
    rows = rows if kind_of(rows) == INTEGER else _as_whole_numbers(rows)
    return jax.lax.top_k(~rows, k)[1]  # `~` reverses their order, and never overflows


def _as_whole_numbers(array):
    """Integers in the order of the numbers, NaN last: their bits, those of negative ones turned."""
    kind = jnp.dtype(f"int{8 * array.dtype.itemsize}")
    bits = jax.lax.bitcast_convert_type(array + 0, kind)  # -0 and 0 are equal
    most = jnp.iinfo(kind).max
    return jnp.where(jnp.isnan(array), most, jnp.where(bits < 0, bits ^ most, bits))


# Searching ----------------------------------------------------------------------------------------


@op(function=False, method=False, name="searchsorted")
def search(sorted_sequence: Array, values: Array, right: bool, small: bool):
    """Where values would be inserted into rows of sorted numbers."""
    sorted_sequence, values = (
        jax.lax.stop_gradient(x) for x in _same_kind(sorted_sequence, values)
    )
    if sorted_sequence.ndim == 1:
        found = _places(sorted_sequence, values, right)
    else:
        if not (values.size and sorted_sequence.size):
            return jnp.zeros(values.shape, jnp.int32 if small else jnp.int64)
        rows = sorted_sequence.reshape(-1, sorted_sequence.shape[-1])
        wanted = values.reshape(rows.shape[0], -1)
        find = jax.vmap(functools.partial(_places, right=right))
        found = find(rows, wanted).reshape(values.shape)
    return found.astype(jnp.int32 if small else jnp.int64)


def _places(row, values, right):
    """Where values belong, by halving: comparisons with nan are false and go on to the right.

    Rows that are not sorted, which nan makes of some, have the places that PyTorch's halving finds.
    """
    count = row.shape[0]
    if not count:
        return jnp.zeros(values.shape, jnp.int64)
    first, last = jnp.zeros(values.shape, jnp.int64), jnp.full(values.shape, count)

    def halve(_, ends):
        first, last = ends
        middle = (first + last) // 2
        found = row[jnp.minimum(middle, count - 1)]
        behind = found > values if right else found >= values
        first, last = jnp.where(behind, first, middle + 1), jnp.where(behind, middle, last)
        return jnp.minimum(first, ends[1]), last

    return jax.lax.fori_loop(0, int(count).bit_length(), halve, (first, last))[0]


def _same_kind(sequence, values):
    if sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            f"dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(sequence.shape)} and input value tensor {list(values.shape)}"
        )
    kind = together(sequence.reshape(-1)[:1], values.reshape(-1)[:1])[0].dtype
    return sequence.astype(kind), values.astype(kind)


def _check_search(sequence, values, right, side, sorter):
    """PyTorch's errors for arguments that contradict each other."""
    name, shape = "torch.searchsorted(): ", list(sequence.shape)
    if side not in (None, "left", "right"):
        raise RuntimeError(f"{name}side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            f"{name}side and right can't be set to opposites, got side of left while right was True"
        )
    if len(shape) != 1 and not (isinstance(values, Tensor) and values.ndim):
        raise RuntimeError(
            f"{name}input value can be a scalar only when boundaries tensor dimension is 1, but we "
            f"got boundaries tensor dim({len(shape)}) and input value's dim(0) numel(1)"
        )
    if not shape:
        raise RuntimeError(
            f"{name}boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if sorter is not None:
        _check_sorter(name, shape, sorter)


def _check_sorter(name, shape, sorter):
    if list(sorter.shape) != shape:
        raise RuntimeError(
            f"{name}boundary and sorter must have the same size, but got boundary tensor {shape}"
            f"and got sorter tensor {list(sorter.shape)}"
        )
    if sorter.dtype.name != "int64":
        raise RuntimeError(
            f"{name}sorter must be a tensor of long dtype but got dtype "
            + scalar_name(sorter.dtype.jax)
        )
    check_within(sorter, shape[-1], f"{name}sorter index out of range", RuntimeError)


@composite(method=False, exact_out=SEARCHED)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where values would be inserted into a sorted tensor (or its last dimension).

    Example:
        >>> kuai.searchsorted(kuai.tensor([1, 3, 5]), kuai.tensor([3, 4]))
        tensor([1, 2])
    """
    _check_search(sorted_sequence, input, right, side, sorter)
    if sorter is not None:
        sorted_sequence = _taken(sorted_sequence, sorter)
    values = _as_tensor(input, sorted_sequence)
    return search(sorted_sequence, values, right or side == "right", out_int32)


@op(function=False, method=False)
def _taken(input: Array, indices: Array):
    return jnp.take_along_axis(input, indices, -1)


def _as_tensor(number, like):
    if isinstance(number, Tensor):
        return number
    kind = like.dtype.jax if isinstance(number, int) else np.dtype(np.float32)
    return from_array(np.asarray(number, kind), like.device)


@composite(method=False, exact_out=SEARCHED)
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The number of the bucket each element falls in; the boundaries are sorted.

    Example:
        >>> kuai.bucketize(kuai.tensor([0.5, 3.0, 9.0]), kuai.tensor([1.0, 3.0, 5.0]))
        tensor([0, 1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return search(boundaries, _as_tensor(input, boundaries), right, out_int32)


# Counting -----------------------------------------------------------------------------------------


@composite
def unique(
    input,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim=None,
):
    """The distinct elements in order, or the distinct slices along a dimension.

    Args:
        return_inverse: Also where each element is among them.
        return_counts: Also how often each occurs.

    Example:
        >>> kuai.unique(kuai.tensor([2, 1, 2]), return_counts=True)
        (tensor([1, 2]), tensor([1, 2]))
    """
    if dim is not None and not input.shape:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    axis = None if dim is None else normalize_dim(dim, len(input.shape))
    array = concrete(input, "unique()")
    if axis is not None:
        _check_slices(array.shape, axis)
    kind = array.dtype
    if kind.name == "bfloat16":
        array = array.astype(np.float32)  # NumPy does not know where to put its nan
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    values = values.astype(kind, copy=False)
    inverse = inverse.reshape(array.shape if axis is None else -1)
    return _unique_results(input, values, inverse, counts, return_inverse, return_counts)


def _check_slices(shape, axis):
    """PyTorch's errors for slices that are empty."""
    if all(shape[:axis] + shape[axis + 1 :]) or not shape:
        return
    if shape[axis]:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )


@composite
def unique_consecutive(input, return_inverse: bool = False, return_counts: bool = False, dim=None):
    """The elements (or slices along a dimension) without those equal to the one before.

    Example:
        >>> kuai.unique_consecutive(kuai.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    array = concrete(input, "unique_consecutive()")
    if dim is not None and not array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    axis = 0 if dim is None else normalize_dim(dim, array.ndim)
    rows = array.reshape(-1) if dim is None else np.moveaxis(array, axis, 0)
    if dim is not None:
        _check_slices(array.shape, axis)
    flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
    is_new = np.ones(len(flat), bool)
    is_new[1:] = (flat[1:] != flat[:-1]).any(axis=1)
    inverse = np.cumsum(is_new) - 1
    values = np.moveaxis(rows[is_new], 0, axis) if dim is not None else rows[is_new]
    inverse = inverse.reshape(array.shape) if dim is None else inverse
    return _unique_results(
        input, values, inverse, np.bincount(inverse.reshape(-1)), return_inverse, return_counts
    )


def _unique_results(input, values, inverse, counts, return_inverse, return_counts):
    results = [from_array(values, input.device)]
    if return_inverse:
        results.append(from_array(inverse.astype(np.int64), input.device))
    if return_counts:
        results.append(from_array(counts.astype(np.int64), input.device))
    return results[0] if len(results) == 1 else tuple(results)


@composite
def bincount(input, weights=None, minlength=0):
    """How often each number 0, 1, 2, … occurs, or the sum of its weights.

    Example:
        >>> kuai.bincount(kuai.tensor([0, 1, 1, 3]))
        tensor([1, 2, 0, 1])
    """
    kind = input.dtype.jax
    if kind.kind not in "iu":
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{scalar_name(kind)}'")
    array = concrete(input, "bincount()")
    if array.ndim != 1 or (array < 0).any():
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and tuple(weights.shape) != array.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    given = None if weights is None else concrete(weights, "bincount()")
    counts = np.bincount(array, given, minlength)
    return from_array(counts.astype(_kind_of_counts(given)), input.device)


def _kind_of_counts(weights):
    if weights is None:
        return np.int64
    return np.float32 if weights.dtype == np.float32 else np.float64


@op(function=False, method=False, name="histc")
def histogram_counts(input: Array, bins: int, low: float, high: float):
    """Counts in equal bins; equal limits mean the tensor's own range."""
    refuse("histogram_cpu", input, BOOL, INTEGER, COMPLEX)
    values = jax.lax.stop_gradient(input.reshape(-1))
    first, last = jnp.asarray(low, input.dtype), jnp.asarray(high, input.dtype)
    if low == high and values.size:
        first, last = jnp.min(values), jnp.max(values)
    same = first == last
    first, last = jnp.where(same, first - 1, first), jnp.where(same, last + 1, last)
    inside = (values >= first) & (values <= last)
    place = jnp.floor((values - first) * (bins / (last - first))).astype(jnp.int64)
    place = jnp.clip(place, 0, bins - 1)
    return jnp.zeros(bins, input.dtype).at[place].add(inside.astype(input.dtype))


_OF_HISTOGRAM = (
    "torch.histogram: input tensor and hist tensor should have the same dtype, but got input "
    "{c_wanted} and hist {c_found}"
)


def _check_range(input, low, high):
    """PyTorch's errors for ranges that are no range."""
    if low == high:
        array = known(input)
        if array is None or not array.size or array.dtype.kind not in "fV":
            return
        low, high = float(array.min()), float(array.max())
        if low != low:
            low = high = -math.nan
    shown = [f"{edge:g}" if edge == edge else "-nan" for edge in (low, high)]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{', '.join(shown)}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")


@composite
def histc(input, bins=100, min=0, max=0, *, out=None):
    """The number of elements in each of `bins` equal intervals of `[min, max]`.

    Equal `min` and `max` mean the smallest and the largest element.

    Example:
        >>> kuai.histc(kuai.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    _check_range(input, min, max)
    if out is not None:
        check_exact(_OF_HISTOGRAM, out.dtype, input.dtype)
    return call(histogram_counts, out, input.detach(), bins, min, max)
