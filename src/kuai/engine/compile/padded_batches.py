"""Batches of changing size in few programs: rows are added up to the next bucket.

The first dimension that the tensor arguments share is padded by repeating the last row, the program
runs on the larger batch, and results with that many rows are cut back. This is right only where a
row's result does not depend on other rows. That is not taken on trust: when a program is made, it
is run on two different paddings, and if anything that leaves it differs, the call is refused.

A loss that is a mean over rows depends on all of them; `batch_mask()` tells real rows from added
ones, so that it can be weighted.
"""

import bisect
import functools
import threading

import jax
import jax.numpy as jnp

from kuai.engine.compile.function_like import FunctionLike, called
from kuai.engine.tensor import Tensor, wrap
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.views import held, value
from kuai.errors import PaddingError

__all__ = ["PaddedBatches", "batch_mask"]

_state = threading.local()


def batch_mask() -> Tensor | None:
    """Which rows of the batch are real, inside a function compiled with `dynamic_batch`.

    Returns:
        A bool tensor with one element a row, or None outside of such a function.

    Example:
        >>> @kuai.compile(dynamic_batch=True)
        ... def mean(x):
        ...     mask = kuai.compiler.batch_mask()
        ...     return (x * mask).sum() / mask.sum()
        >>> mean(kuai.tensor([1.0, 2.0, 6.0]))
        tensor(3.)
    """
    return getattr(_state, "mask", None)


class PaddedBatches(FunctionLike):
    """A compiled function whose batches are padded to the sizes of a few buckets."""

    _kept = frozenset(["_buckets", "_compiled"])

    def __init__(self, compile_function, function, buckets):
        made_by = functools.partial(PaddedBatches, compile_function, buckets=buckets)
        super().__init__(function, made_by)
        self._buckets = None if buckets is True else sorted(buckets)
        self._compiled = compile_function(functools.partial(_with_mask, called(function)))
        records = self._compiled._records
        records.name = getattr(function, "__qualname__", type(function).__name__)
        records.check, records.undoes = _check, True

    def __call__(self, /, *args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_tensor_leaf)
        rows = _rows(leaves)
        size = self._bucket(rows)
        mask = wrap(jnp.arange(size) < rows)
        if rows == size:
            return self._compiled(mask, tree, *leaves)
        padded = _padded(leaves, rows, size)
        _state.padding = _Padding(leaves, padded, rows, size)
        try:
            result = self._compiled(mask, tree, *padded)
        finally:
            _state.padding = None
        return jax.tree.map(lambda leaf: _cut(leaf, rows, size), result, is_leaf=is_tensor_leaf)

    def explain(self):
        """As of any compiled function."""
        return self._compiled.explain()

    def _bucket(self, rows):
        if not rows:
            return 0
        if self._buckets is None:
            return 1 << max(rows - 1, 0).bit_length()
        index = bisect.bisect_left(self._buckets, rows)
        if index == len(self._buckets):
            raise PaddingError(
                f"A batch of {rows} rows is larger than the largest bucket of dynamic_batch="
                f"{self._buckets}. Add a larger one, or pass dynamic_batch=True."
            )
        return self._buckets[index]


class _Padding:
    """The padded arguments of one call, and what else could stand in the added rows."""

    def __init__(self, leaves, padded, rows, size):
        self.rows, self.size = rows, size
        others = zip(*(_filled(leaves, rows, size, number) for number in (0, 1)), strict=True)
        self.others = {
            id(held(leaf)): tuple(map(held, both))
            for leaf, both in zip(padded, others, strict=True)
            if _has_rows(leaf)
        }

    def inputs(self, inputs, number):
        """A program's inputs with zeros, or ones, in the added rows."""
        return [self.others[id(a)][number] if id(a) in self.others else a for a in inputs]

    def only_rows(self, number, array, program) -> bool:
        """Whether a result belongs to the batch, so that its added rows are of no account."""
        written = number in program.order[: len(program.donated)]
        return array.shape[:1] == (self.size,) and not written


def _check(program, inputs):
    """Refuse a new program in which added rows reach what leaves it."""
    padding = getattr(_state, "padding", None)
    if padding is None:
        return
    first, second = (program.rehearse(padding.inputs(inputs, number)) for number in (0, 1))
    for number, one in first.items():
        other = second[number]
        if padding.only_rows(number, one, program):
            one, other = one[: padding.rows], other[: padding.rows]
        if not jnp.array_equal(one, other, equal_nan=one.dtype.kind in "fc"):
            added = padding.size - padding.rows
            raise PaddingError(_MIXED.format(added, padding.rows, padding.size))


_MIXED = (
    "dynamic_batch added {} rows to a batch of {} to run it as one of {}, and they change the "
    "result or what is written: rows depend on each other here (a mean over the batch, batch "
    "normalisation in training, ...). Weight the loss with kuai.compiler.batch_mask(), or compile "
    "without dynamic_batch."
)


def _with_mask(function, mask, tree, *leaves):
    before, _state.mask = batch_mask(), mask
    try:
        args, kwargs = jax.tree.unflatten(tree, leaves)
        return function(*args, **kwargs)
    finally:
        _state.mask = before


def _rows(leaves) -> int:
    sizes = {leaf.shape[0] for leaf in leaves if _has_rows(leaf)}
    if len(sizes) != 1:
        raise PaddingError(
            "dynamic_batch needs tensor arguments whose first dimension is the batch; they have "
            f"{sorted(sizes) or 'none'} rows. Pass other tensors through the function's closure."
        )
    return sizes.pop()


def _is_tensor(leaf) -> bool:
    return isinstance(leaf, Tensor)


def _has_rows(leaf) -> bool:
    return _is_tensor(leaf) and leaf.dim() > 0


def _padded(leaves, rows, size):
    """The leaves with the last row repeated, recorded for gradients."""
    index = wrap(jnp.minimum(jnp.arange(size), max(rows - 1, 0)))
    return [leaf.index_select(0, index) if _has_rows(leaf) else leaf for leaf in leaves]


def _filled(leaves, rows, size, number):
    """The leaves with a number in the added rows."""
    made = []
    for leaf in leaves:
        if _has_rows(leaf):
            widths = [(0, size - rows)] + [(0, 0)] * (leaf.dim() - 1)
            filled = wrap(jnp.pad(value(leaf), widths, constant_values=number))
            filled._requires_grad = leaf.requires_grad
            leaf = filled
        made.append(leaf)
    return made


def _cut(leaf, rows, size):
    is_batch = _has_rows(leaf) and leaf.shape[0] == size
    return leaf[:rows] if is_batch and rows != size else leaf
