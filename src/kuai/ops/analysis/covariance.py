"""Covariances and histograms."""

import math
import warnings

import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, composite, op
from kuai.engine.op.autocast import in_lower_precision
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import cast, promote_pair, scalar_name
from kuai.ops import return_types
from kuai.ops.accumulation import spread
from kuai.ops.array import creation
from kuai.ops.array.shaping import shape_of
from kuai.ops.elementwise import COMPLEX, FLOATING, INTEGER, divided, floating, kind_of
from kuai.ops.math.matrix_checks import known, numbers

return_types.return_type("histogram", "hist", "bin_edges")
return_types.return_type("histogramdd", "hist", bin_edges=tuple[Tensor, ...])


# Covariances --------------------------------------------------------------------------------------


@op(function=False, method=False, name="cov")
def covariance(input: Array, correction: int, fweights: Array | None, aweights: Array | None):
    """The matrix of covariances of rows, weighted."""
    rows = jnp.atleast_2d(floating(input))
    if aweights is not None and kind_of(aweights) == FLOATING:
        rows = cast(rows, promote_pair(rows.dtype, aweights.dtype))
    counts = _weights("fweights", fweights, rows.shape[1], INTEGER, "integral")
    aims = _weights("aweights", aweights, rows.shape[1], FLOATING, "floating point")
    real = jnp.finfo(rows.dtype).dtype
    if aims is not None and aims.dtype.itemsize >= 4:
        real = aims.dtype  # in which PyTorch adds them, also for wider rows
    weights = jnp.ones(rows.shape[1], real)
    for each in (counts, aims):
        weights = weights if each is None else weights * each.astype(real)
    total = jnp.sum(weights)
    means = jnp.sum(rows * weights, 1, keepdims=True) / total
    centered = rows - spread(means, rows.shape)
    square = total if aims is None else jnp.sum(weights * aims) / total
    if aims is None:
        freedom = total - correction
    else:
        freedom = total - correction * square
    matrix = (centered * weights) @ jnp.conj(centered).T / jnp.maximum(freedom, 0)
    return jnp.squeeze(matrix).astype(rows.dtype) if rows.shape[0] == 1 else matrix


def _weights(name, weights, count, category, text):
    if weights is None:
        return None
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
            f"{weights.ndim} dimensions"
        )
    if kind_of(weights) != category:
        raise RuntimeError(
            f"cov(): expected {name} to have {text} dtype but got {name} with "
            f"{scalar_name(weights.dtype)} dtype"
        )
    if weights.size != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the "
            f"input but got {weights.size} != {count}"
        )
    return weights


@composite
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariances of variables, a row each: Σ (x - x̄)(y - ȳ) / (N - correction).

    Args:
        fweights: how often each observation counts.
        aweights: how much each observation counts.

    Example:
        >>> kuai.cov(kuai.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input.dtype.jax == np.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    result = covariance(input, correction, fweights, aweights)
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None and known(weights) and (numbers(weights) < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    _warn_of_freedom(input, correction, fweights, aweights)
    return in_lower_precision(result)


def _warn_of_freedom(input, correction, fweights=None, aweights=None):
    """Warn where there are no degrees of freedom, as far as the weights are known."""
    given = [weights for weights in (fweights, aweights) if weights is not None]
    if not all(map(known, given)):
        return
    count = input.shape[-1] if input.ndim > 1 else input.numel()
    counts = np.ones(count) if fweights is None else numbers(fweights).astype(float)
    weights = counts if aweights is None else counts * numbers(aweights)
    total = weights.sum()
    if aweights is not None and total:
        correction = correction * (weights * numbers(aweights)).sum() / total
    if total - correction <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number "
            "of observations.",
            stacklevel=3,
        )


@composite
def corrcoef(input):
    """Pearson's correlations of variables, a row each: their covariances over √ of their variances.

    Example:
        >>> kuai.corrcoef(kuai.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype.jax == np.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    _warn_of_freedom(input, 1)
    return in_lower_precision(correlations(input))


@op(function=False, method=False, name="corrcoef", grad="CorrcoefBackward0")
def correlations(input: Array):
    """`corrcoef` of arrays."""
    matrix = covariance.pure(input, 1, None, None)
    if not matrix.ndim:
        return matrix / matrix
    size = jnp.sqrt(jnp.diagonal(matrix).real)
    down, across = (spread(each, matrix.shape) for each in (size[:, None], size[None, :]))
    matrix = divided(divided(matrix, down), across)
    if kind_of(matrix) == COMPLEX:
        return jnp.clip(matrix.real, -1, 1) + 1j * jnp.clip(matrix.imag, -1, 1)
    return jnp.clip(matrix, -1, 1)


# Histograms ---------------------------------------------------------------------------------------


def _edges(values, bins, limits, dim):
    """Evenly spaced edges between limits, by default the smallest and the largest value."""
    low, high = limits if limits is not None else _extent(values)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(
            f"torch.histogramdd: dimension {dim}'s range [{low:g}, {high:g}] is not finite"
        )
    if low > high:
        raise RuntimeError(f"histogramdd: min should not exceed max, but got min {low} max {high}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1, dtype=values.dtype)


def _extent(values):
    return (values.min(), values.max()) if values.size else (0.0, 1.0)


def _tables(points, bins, limits):
    """The edges of each column of an array of points."""
    columns = points.shape[-1]
    if isinstance(bins, int):
        bins = [bins] * columns
    if len(bins) != columns:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    found = []
    for column, each in enumerate(bins):
        if isinstance(each, Tensor):
            found.append(numbers(each).astype(points.dtype))
        else:
            pair = None if limits is None else limits[2 * column : 2 * column + 2]
            found.append(_edges(points[..., column], each, pair, column))
    return found


def _counts(points, edges, weights):
    """How many points are in each box; edges that do not rise make an empty one."""
    places, inside = [], np.ones(len(points), bool)
    for column, table in enumerate(edges):
        values = points[:, column]
        inside &= (values >= table[0]) & (values <= table[-1])
        place = np.searchsorted(table, values, "right") - 1
        places.append(np.clip(place, 0, len(table) - 2))
    counts = np.zeros([len(table) - 1 for table in edges], points.dtype)
    chosen = tuple(place[inside] for place in places)
    np.add.at(counts, chosen, 1 if weights is None else weights[inside])
    return counts


def _density(counts, edges):
    """Counts divided by the total and by the size of each box."""
    with np.errstate(invalid="ignore", divide="ignore"):
        made = counts / counts.sum()
        for dim, table in enumerate(edges):
            made = made / np.diff(table).reshape((-1,) + (1,) * (counts.ndim - dim - 1))
    return made


def _histogram(input, bins, limits, weight, density):
    if input.dtype.jax not in (np.float32, np.float64):
        raise NotImplementedError(
            f"\"histogramdd\" not implemented for '{scalar_name(input.dtype.jax)}'"
        )
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    points = numbers(input).reshape(-1, shape_of(input)[-1])
    for dim, count in enumerate(bins if isinstance(bins, list) else [bins]):
        if isinstance(count, int) and count <= 0:
            raise RuntimeError(
                f"torch.histogram(): bins must be > 0, but got {count} for dimension {dim}"
            )
    edges = _tables(points, bins, limits)
    weights = None if weight is None else numbers(weight).reshape(-1)
    counts = _counts(points, edges, weights)
    counts = _density(counts, edges) if density else counts
    make = dict(dtype=input.dtype, device=input.device)
    tables = tuple(creation.tensor(each, **make) for each in edges)
    return creation.tensor(counts, **make), tables


@composite
def histogram(input, bins=100, *, range=None, weight=None, density=False) -> return_types.histogram:
    """How many values lie between edges, and the edges; the last bin contains its right edge.

    It needs the numbers at once, as `histogramdd`.

    Args:
        bins: how many bins of one size between the ends of `range`, or their edges.
        weight: what each value counts.
        density: divide by the total and by the widths, for an integral of 1.

    Example:
        >>> kuai.histogram(kuai.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
        tensor([0., 2., 1., 0.])
    """
    made, (edges,) = _histogram(input.reshape(-1, 1), [bins], range, weight, density)
    return return_types.histogram(made, edges)


@composite(method=False)
def histogramdd(input, bins, range=None, weight=None, density=False) -> return_types.histogramdd:
    """How many points lie in boxes, and the edges of the boxes; a point is a row of the input.

    Args:
        bins: for each dimension how many bins, or the edges; or one number for all.
        range: the ends of all dimensions in a row.

    Example:
        >>> x = kuai.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
        >>> kuai.histogramdd(x, bins=[2, 2]).hist
        tensor([[0., 1.],
                [1., 1.]])
    """
    bins = bins if isinstance(bins, int) else list(bins)
    return return_types.histogramdd(*_histogram(input, bins, range, weight, density))
