"""Fetching: from the indices of a batch to the batch; the same with and without workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from kuai.data.collating import collate_on_host, default_collate, rows, rows_on_host
from kuai.data.dataset import IterableDataset, TensorDataset

__all__ = ["fetcher"]


def fetcher(
    dataset: Any, batched: bool, collate_fn: Callable, drop_last: bool
) -> Callable[[Any], Any]:
    """A function that makes a batch of indices, or, where they are not `batched`, of one index.

    It raises StopIteration at the end of an iterable data set.
    """
    if isinstance(dataset, IterableDataset):
        return _Stream(dataset, batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    if type(dataset) is TensorDataset and collate_fn is default_collate:
        return lambda indices: rows(dataset.tensors, indices)  # all at once
    if type(dataset) is TensorDataset and collate_fn is collate_on_host:
        return lambda indices: rows_on_host(dataset.tensors, indices)
    many = getattr(dataset, "__getitems__", None)
    if many:
        return lambda indices: collate_fn(many(indices))
    return lambda indices: collate_fn([dataset[index] for index in indices])


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
