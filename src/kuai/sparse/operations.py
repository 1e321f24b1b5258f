"""What is computed with the elements of sparse tensors: operations on dense ones.

Every one of them is differentiable, recorded and compiled like any other; nothing here knows what a
sparse tensor is. `places` are numbers of rows, one for each element.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, op
from kuai.engine.tensor import Tensor, modes
from kuai.ops.accumulation import widened
from kuai.sparse import kernels

__all__ = [
    "added",
    "both_as",
    "chosen_rows",
    "in_one_matrix",
    "joined",
    "joined_columns",
    "joined_places",
    "moved_row",
    "multiplied",
    "multiplied_from_left",
    "multiplied_vector",
    "normalized",
    "passed",
    "picked",
    "placed",
    "product_added",
    "reduced",
    "products_at",
    "row_numbers",
    "rows_and_columns",
    "rows_of",
    "summed",
    "with_row_of_zeros",
    "without_rows",
]


def _named(pure: Callable[..., Any]) -> Callable[..., Any]:
    """An operation under several names of its `grad_fn`, which is the first argument."""

    @functools.cache
    def under(grad):
        return op(pure, function=False, method=False, grad=grad)

    def run(grad, *arguments):
        return under(grad)(*arguments)

    return functools.wraps(pure)(run)


@_named
def _passed(values: Array):
    """The same values."""
    return values


def passed(grad: str, values: Tensor) -> Tensor:
    """The same values in a tensor of its own, whose `grad_fn` has a name."""
    if values.requires_grad and modes.state.grad_enabled:
        return _passed(grad, values)
    return Tensor._share(values)


@_named
def multiplied(rows: Array, columns: Array, values: Array, dense: Array, size: int):
    """A sparse matrix (size, K) times a dense one (K, F); sums are at least in float32."""
    wide, factor = widened(values), widened(dense)
    return kernels.scattered(rows, columns, wide, factor, size).astype(dense.dtype)


@_named
def multiplied_from_left(rows: Array, columns: Array, values: Array, dense: Array, size: int):
    """A dense matrix (F, K) times a sparse one (K, size)."""
    wide, factor = widened(values), widened(dense.T)
    return kernels.scattered(columns, rows, wide, factor, size).T.astype(dense.dtype)


@_named
def multiplied_vector(rows: Array, columns: Array, values: Array, vector: Array, size: int):
    """A sparse matrix (size, K) times a vector (K)."""
    wide, factor = widened(values), widened(vector[:, None])
    return kernels.scattered(rows, columns, wide, factor, size)[:, 0].astype(vector.dtype)


@_named
def product_added(
    input: Array,
    rows: Array,
    columns: Array,
    values: Array,
    dense: Array,
    size: int,
    beta: Number,
    alpha: Number,
):
    """A dense matrix plus a sparse one (size, K) times a dense one (K, F), each with a factor."""
    made = kernels.scattered(rows, columns, widened(values), widened(dense), size)
    kind = made.dtype
    made = made * jnp.asarray(alpha, kind) + widened(input) * jnp.asarray(beta, kind)
    return made.astype(dense.dtype)


@_named
def reduced(rows: Array, columns: Array, values: Array, dense: Array, size: int, how: str):
    """As `multiplied`, with the mean, the largest or the smallest of what is added up there.

    Of several that are the largest, the first one gets the gradient. Rows without elements are 0.
    """
    parts = values[:, None] * dense[columns]
    if how == "mean":
        total = jax.ops.segment_sum(widened(parts), rows, size)
        count = jax.ops.segment_sum(jnp.ones(len(rows), total.dtype), rows, size)
        return (total / jnp.maximum(count, 1)[:, None]).astype(dense.dtype)
    find = jax.ops.segment_max if how == "amax" else jax.ops.segment_min
    best = find(jax.lax.stop_gradient(parts), rows, size)[rows]
    numbers = jnp.arange(len(rows))[:, None]
    first = jax.ops.segment_min(jnp.where(parts == best, numbers, len(rows)), rows, size)
    parts = jnp.concatenate([parts, jnp.zeros((1, parts.shape[1]), parts.dtype)])
    return jnp.take_along_axis(parts, jnp.minimum(first, len(rows)), 0)


@_named
def products_at(rows: Array, columns: Array, left: Array, right: Array):
    """Elements of the product of two dense matrices (M, F) and (F, K), at some places."""
    made = kernels.sampled(rows, columns, widened(left), widened(right.T))
    return made.astype(left.dtype)


@_named
def placed(indices: Array, values: Array, shape: tuple):
    """A dense tensor with values at some places (dimensions, N), added up; zeros elsewhere."""
    return jnp.zeros(shape, values.dtype).at[tuple(indices)].add(values)


@_named
def added(dense: Array, indices: Array, values: Array, alpha: Number):
    """A dense tensor with multiples of values added at some places."""
    kind = jnp.promote_types(dense.dtype, values.dtype)
    scaled = values.astype(kind) * jnp.asarray(alpha, kind)
    return dense.astype(kind).at[tuple(indices)].add(scaled)


@_named
def picked(dense: Array, indices: Array):
    """The elements of a dense tensor at some places."""
    return dense[tuple(indices)]


@_named
def summed(values: Array, places: Array, count: int):
    """Values (N, …) added up in the rows that they belong to, (count, …)."""
    total = jax.ops.segment_sum(widened(values), places, count)
    return total.astype(values.dtype)


@_named
def normalized(values: Array, places: Array, count: int, is_log: bool):
    """Softmax, or its logarithm, among all values that belong to the same row."""
    largest = jax.lax.stop_gradient(jax.ops.segment_max(values, places, count))
    shifted = widened(values - largest[places])
    total = jax.ops.segment_sum(jnp.exp(shifted), places, count)[places]
    made = shifted - jnp.log(total) if is_log else jnp.exp(shifted) / total
    return made.astype(values.dtype)


@op(function=False, method=False)
def row_numbers(starts: Array, count: int):
    """The row of each element, given where rows start (M + 1)."""
    rows = jnp.arange(len(starts) - 1, dtype=starts.dtype)
    return jnp.repeat(rows, jnp.diff(starts), total_repeat_length=count)


@op(function=False, method=False)
def rows_and_columns(indices: Array, kind: str):
    """The two rows of the indices of a matrix."""
    return tuple(indices.astype(kind))


@op(function=False, method=False)
def both_as(rows: Array, columns: Array, kind: str):
    """Two rows of numbers in another type."""
    return rows.astype(kind), columns.astype(kind)


@op(function=False, method=False)
def joined_places(rows: Array, columns: Array):
    """The indices (2, N) of rows and columns."""
    return jnp.stack([rows, columns]).astype(jnp.int64)


@_named
def joined(first: Array, second: Array):
    """Elements of two tensors, one after the other."""
    return jnp.concatenate([first, second])


@op(function=False, method=False)
def joined_columns(first: Array, second: Array):
    """Indices (D, N) of two tensors, one after the other."""
    return jnp.concatenate([first, second], 1)


@op(function=False, method=False)
def in_one_matrix(indices: Array, rows: int, columns: int):
    """Rows and columns of a batch of matrices, given by indices (3, N), below one another."""
    batch, row, column = indices
    return batch * rows + row, batch * columns + column


@op(function=False, method=False)
def chosen_rows(indices: Array, rows: tuple):
    """The rows of indices (D, N) in another order."""
    return indices[jnp.asarray(rows, int)] if rows else indices


@op(function=False, method=False)
def with_row_of_zeros(indices: Array, place: int):
    """Indices (D + 1, N) with a row of zeros among them."""
    return jnp.insert(indices, place, 0, axis=0)


@op(function=False, method=False)
def moved_row(indices: Array, row: int, by: int):
    """Indices with a number added to one row."""
    return indices.at[row].add(by)


@_named
def rows_of(values: Array, chosen: Array):
    """Some rows of the values."""
    return values[chosen]


@op(function=False, method=False)
def without_rows(indices: Array, rows: tuple):
    """Indices in which some rows are zero."""
    return indices.at[jnp.asarray(rows, int)].set(0)
