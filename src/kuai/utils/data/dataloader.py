"""PyTorch's file of the loader."""

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
from kuai.data.iterating import (
    _BaseDataLoaderIter as _BaseDataLoaderIter,  # packages look for it here
    _SingleProcessDataLoaderIter as _SingleProcessDataLoaderIter,
)
from kuai.data.loader import (
    _DatasetKind as _DatasetKind,
    _InfiniteConstantSampler as _InfiniteConstantSampler,
)
from kuai.data.multiprocess import (
    _MultiProcessingDataLoaderIter as _MultiProcessingDataLoaderIter,
)
