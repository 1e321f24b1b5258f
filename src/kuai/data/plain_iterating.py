"""The base of iterators over a loader, as PyTorch's file has it.

Packages make loaders and iterators of their own on it (torchdata's `StatefulDataLoader`), for which
its attributes are what PyTorch's are called. Kuai's own iterators have a base of their own below.
"""

from __future__ import annotations

import warnings
from typing import Any

from kuai.data.pinning import accelerated, warn_about_pinning
from kuai.data.sampler import base_seed

__all__ = ["_BaseDataLoaderIter", "length_warning"]


class _BaseDataLoaderIter:
    """One pass over a loader's batches; a subclass says in `_next_data` what the next one is."""

    def __init__(self, loader: Any) -> None:
        if loader.pin_memory:
            warn_about_pinning(loader.pin_memory_device)
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._world_size, self._rank = 1, 0  # of the processes among which pipes are divided
        self._pin_memory = loader.pin_memory and accelerated()
        self._pin_memory_device = None
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._sampler_iter: Any = iter(self._index_sampler)
        self._base_seed = base_seed(loader.generator)
        self._shared_seed = None
        self._persistent_workers = loader.persistent_workers
        self._num_yielded = 0
        self._profile_name = f"enumerate(DataLoader)#{type(self).__name__}.__next__"

    def __iter__(self) -> Any:
        return self

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        batch = self._next_data()
        self._num_yielded += 1
        promised = self._IterableDataset_len_called
        if self._dataset_kind and promised is not None and self._num_yielded > promised:
            text = length_warning(self._dataset, promised, self._num_yielded, self._num_workers)
            warnings.warn(text, stacklevel=2)
        return batch

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", self.__class__.__name__)


def length_warning(dataset: Any, promised: int, fetched: int, workers: int) -> str:
    """What is said of a data set that has more samples than its `__len__` says."""
    hint = (
        "For multiprocessing data-loading, this could be caused by not properly configuring "
        "the IterableDataset replica at each worker. Please see "
        "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for "
        "examples."
    )
    return (
        f"Length of IterableDataset {dataset} was reported to be {promised}"
        f"(when accessing len(dataloader)), but {fetched} samples have been fetched. "
        f"{hint if workers else ''}"
    )
