"""PyTorch's file of the loader."""

from kuai.data import (
    DataLoader as DataLoader,
    default_collate as default_collate,
    default_convert as default_convert,
    get_worker_info as get_worker_info,
)
from kuai.data.iterating import (
    BaseIterator as _BaseDataLoaderIter,  # noqa: F401 - packages look for it here
    SingleProcessIterator as _SingleProcessDataLoaderIter,  # noqa: F401
)
from kuai.data.loader import _Endless as _InfiniteConstantSampler  # noqa: F401
from kuai.data.multiprocess import (
    MultiProcessingIterator as _MultiProcessingDataLoaderIter,  # noqa: F401
)


class _DatasetKind:
    """Whether a data set is asked for indices or walked through; packages look for it here."""

    Map, Iterable = 0, 1
