"""Running totals along a dimension: cumulative sums, products, extremes."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import EXPECTED
from kuai.engine.tensor.dtypes import dtype as Dtype
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide
from kuai.ops.dimensions import normalize_dim
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, call, kind_of, refuse
from kuai.ops.math import slopes
from kuai.ops.math.reduction import summable
from kuai.ops.return_types import return_type

CummaxResult = return_type("cummax", "values", "indices")
CumminResult = return_type("cummin", "values", "indices")


def _scan(function, input, dim):
    axis = normalize_dim(dim, input.ndim)
    return input if input.ndim == 0 else in_wide(lambda wide: function(wide, axis=axis), input)


@op(function=False, method=False, name="cumsum", grad="CumsumBackward0")
def sums_along(input: Array, dim: int, dtype: Dtype | None):
    """The running sums."""
    return _scan(jax.lax.cumsum, summable(input, dtype), dim)


@op(function=False, method=False, name="cumprod", grad="CumprodBackward0")
def products_along(input: Array, dim: int, dtype: Dtype | None):
    """The running products."""
    return _scan(jax.lax.cumprod, summable(input, dtype), dim)


def _dtype_of(out, dtype):
    """What is summed for a tensor of integers is integers."""
    return out.dtype if dtype is None and out is not None else dtype


@composite(inplace=True, autocast={"cuda": "float32"})
def cumsum(input, dim, *, dtype=None, out=None):
    """The sums of the elements up to each place along a dimension.

    Example:
        >>> kuai.cumsum(kuai.tensor([1, 2, 3]), dim=0)
        tensor([1, 3, 6])
    """
    return call(sums_along, out, input, dim, _dtype_of(out, dtype))


@composite(inplace=True, autocast={"cuda": "float32"})
def cumprod(input, dim, *, dtype=None, out=None):
    """The products of the elements up to each place along a dimension.

    Example:
        >>> kuai.cumprod(kuai.tensor([1, 2, 3]), dim=0)
        tensor([1, 2, 6])
    """
    return call(products_along, out, input, dim, _dtype_of(out, dtype))


@op(exact_out=EXPECTED)
def logcumsumexp(input: Array, dim: int):
    """log Σ eˣ of the elements up to each place along a dimension.

    Example:
        >>> kuai.logcumsumexp(kuai.tensor([0.0, 0.0, 0.0]), dim=0)
        tensor([0.0000, 0.6931, 1.0986])
    """
    refuse("logcumsumexp_out_cpu", input, BOOL, INTEGER)
    return _scan(
        _cumulative_complex if kind_of(input) == COMPLEX else jax.lax.cumlogsumexp, input, dim
    )


def _cumulative_complex(input, axis):
    """One element after the other: where the imaginary part turns depends on the order."""
    rows = jnp.moveaxis(input, axis, 0)

    def step(total, row):
        total = slopes.log_add_exp_complex(row, total)
        return total, total

    start = jnp.full(rows.shape[1:], -jnp.inf, input.dtype)
    return jnp.moveaxis(jax.lax.scan(step, start, rows)[1], 0, axis)


def _running_extreme(function, input, dim):
    """The last place among equals, and the value there; NaN stays once it has come."""
    if kind_of(input) == COMPLEX:
        raise NotImplementedError(
            f'"cummax_cummin" not implemented for {scalar_name(input.dtype)!r}'
        )
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return input, jnp.zeros((), jnp.int64)
    plain = jax.lax.stop_gradient(input)
    plain = plain.astype(jnp.uint8) if kind_of(input) == BOOL else plain
    extreme = function(plain, axis=axis)
    reached = (plain == extreme) | jnp.isnan(plain)
    places = jax.lax.broadcasted_iota(jnp.int64, input.shape, axis)
    indices = jax.lax.cummax(jnp.where(reached, places, 0), axis=axis)
    found = in_wide(lambda wide: jnp.take_along_axis(wide, indices, axis), input)
    return found, indices


@op(result=CummaxResult, exact_out=EXPECTED)
def cummax(input: Array, dim: int):
    """The largest element up to each place along a dimension, and where it is.

    Example:
        >>> kuai.cummax(kuai.tensor([1.0, 3.0, 2.0]), dim=0)
        torch.return_types.cummax(
        values=tensor([1., 3., 3.]),
        indices=tensor([0, 1, 1]))
    """
    return _running_extreme(jax.lax.cummax, input, dim)


@op(result=CumminResult, exact_out=EXPECTED)
def cummin(input: Array, dim: int):
    """The smallest element up to each place along a dimension, and where it is.

    Example:
        >>> kuai.cummin(kuai.tensor([2.0, 3.0, 1.0]), dim=0)
        torch.return_types.cummin(
        values=tensor([2., 2., 1.]),
        indices=tensor([0, 0, 2]))
    """
    return _running_extreme(jax.lax.cummin, input, dim)
