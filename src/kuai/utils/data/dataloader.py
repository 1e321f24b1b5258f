"""PyTorch's file of the loader."""

from collections.abc import Callable
from typing import Any

from kuai.data import (
    BatchSampler as BatchSampler,
    DataLoader as DataLoader,
    Dataset as Dataset,  # loaders of one's own import these from here
    IterableDataset as IterableDataset,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    default_collate as default_collate,
    default_convert as default_convert,
    get_worker_info as get_worker_info,
)
from kuai.data.iterating import _SingleProcessDataLoaderIter as _SingleProcessDataLoaderIter
from kuai.data.loader import (
    _DatasetKind as _DatasetKind,
    _InfiniteConstantSampler as _InfiniteConstantSampler,
)
from kuai.data.multiprocess import (
    _MultiProcessingDataLoaderIter as _MultiProcessingDataLoaderIter,
)
from kuai.data.plain_iterating import (
    _BaseDataLoaderIter as _BaseDataLoaderIter,  # packages look for it here
)

_collate_fn_t = Callable[[list], Any]
_worker_init_fn_t = Callable[[int], None]


def _sharding_worker_init_fn(worker_init_fn, world_size, rank_id, worker_id):
    """What divides a pipe among workers; pipes have to be data sets here."""
    raise NotImplementedError(
        "PyTorch's pipes are not divided among workers in Kuai: make an IterableDataset of it, and "
        "divide it with get_worker_info()"
    )
