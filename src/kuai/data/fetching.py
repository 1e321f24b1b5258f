"""Fetching: from the indices of a batch to the batch; the same with and without workers.

Rows of tensors are taken all at once, also of a part of a `TensorDataset`, as `random_split` gives
it: that is one operation, where the samples one by one would be one each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from kuai.data.collating import collate_on_host, default_collate, rows, rows_on_host
from kuai.data.combined import Subset
from kuai.data.dataset import TensorDataset

__all__ = ["fetcher"]


def fetcher(
    dataset: Any, batched: bool, collate_fn: Callable, drop_last: bool, *, streams: bool
) -> Callable[[Any], Any]:
    """A function that makes a batch of indices, or, where they are not `batched`, of one index.

    It raises StopIteration at the end of an iterable data set, one that `streams`.
    """
    if streams:
        return _Stream(dataset, batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    if collate_fn in (default_collate, collate_on_host):
        found = _rows_of(dataset)
        if found is not None:
            return _rowwise(found, collate_fn, _one_by_one(dataset, collate_fn))
    return _one_by_one(dataset, collate_fn)


def _one_by_one(dataset: Any, collate_fn: Callable) -> Callable[[Any], Any]:
    many = getattr(dataset, "__getitems__", None)
    if many:
        return lambda indices: collate_fn(many(indices))
    return lambda indices: collate_fn([dataset[index] for index in indices])


def _rowwise(found: Any, collate_fn: Callable, otherwise: Callable) -> Callable[[Any], Any]:
    """Takes rows; what is no index of a row (a slice, a list, a fault) goes the long way."""
    tensors, part = found
    take = rows if collate_fn is default_collate else rows_on_host

    def fetch(indices: Any) -> Any:
        places = _places(indices)
        if places is None:
            return otherwise(indices)
        return take(tensors, places if part is None else part[places])

    return fetch


def _places(indices: Any) -> np.ndarray | None:
    """The indices of at least one row; None where they are something else."""
    try:
        places = np.asarray(indices)
    except ValueError:  # of different lengths
        return None
    return places if places.ndim == 1 and places.size and places.dtype.kind == "i" else None


def _rows_of(dataset: Any) -> tuple[Any, np.ndarray | None] | None:
    """The tensors whose rows are the samples, and which rows (None: all); None where it is not
    so."""
    if type(dataset) is TensorDataset:
        return dataset.tensors, None
    if type(dataset) is not Subset:
        return None
    found, indices = _rows_of(dataset.dataset), np.asarray(dataset.indices)
    if found is None or indices.dtype.kind != "i" or indices.ndim != 1:
        return None
    return found[0], indices if found[1] is None else found[1][indices]


class _Stream:
    """The samples of an iterable data set, as they come."""

    def __init__(self, dataset: Any, batched: bool, collate_fn: Callable, drop_last: bool) -> None:
        self.samples = iter(dataset)
        self.batched, self.collate_fn, self.drop_last = batched, collate_fn, drop_last
        self.ended = False

    def __call__(self, places: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(self.samples))
        batch = list(itertools.islice(self.samples, len(places)))
        self.ended = len(batch) < len(places)
        if not batch or (self.ended and self.drop_last):
            raise StopIteration
        return self.collate_fn(batch)
