"""DataLoader: a data set in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from kuai.data import dataset_fetchers as fetch, loader_state, options
from kuai.data.collating import default_collate, default_convert
from kuai.data.dataset import Dataset, IterableDataset
from kuai.data.iterating import Pass, _SingleProcessDataLoaderIter
from kuai.data.multiprocess import _MultiProcessingDataLoaderIter
from kuai.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from kuai.engine.tensor.randomness import Generator

__all__ = ["DataLoader"]

_Sample = TypeVar("_Sample", covariant=True)
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _DatasetKind:
    """The two kinds of data sets, by PyTorch's numbers."""

    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(
        kind: int, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool
    ) -> Any:
        """What fetches batches, for loaders of one's own."""
        made = fetch._IterableDatasetFetcher if kind else fetch._MapDatasetFetcher
        return made(dataset, auto_collation, collate_fn, drop_last)


class _InfiniteConstantSampler(Sampler[None]):
    """What stands for a sampler where the data set itself says what comes next."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[_Sample]):
    """Iterate over a data set in batches.

    Args:
        dataset: has `__getitem__` and `__len__`, or is an `IterableDataset`.
        batch_size: samples in a batch; None gives single samples.
        shuffle: a new order in every pass.
        sampler: the order of the indices, instead of `shuffle`.
        batch_sampler: lists of indices, instead of all of the above.
        num_workers: how many other processes fetch the batches; 0 is this one.
        collate_fn: makes a batch of a list of samples.
        pin_memory: call `pin_memory()` of what is in a batch; JAX pins memory for transfers itself.
        drop_last: leave a last, shorter batch away.
        timeout: how many seconds a batch of a worker may take; 0 is any.
        worker_init_fn: called in each worker with its number, before it fetches anything.
        multiprocessing_context: how workers are started, "forkserver" (default) or "spawn".
        generator: the source of the orders, and of the workers' seeds.
        prefetch_factor: how many batches each worker fetches ahead (default: 2).
        persistent_workers: keep the workers for the next pass.
        pin_memory_device: ignored, as in PyTorch.
        in_order: hand batches out in the order of their indices, else as workers bring them.

    Worker `i` has the seed of the pass plus `i`, for `random`, NumPy and Kuai; `get_worker_info()`
    tells it. Its exceptions are raised here, with its traceback. Data set and functions are sent to
    workers; those defined in a script or a notebook too, which needs no
    `if __name__ == "__main__":`. Batches come back in shared memory.

    `epoch` counts the passes done, `in_epoch` the batches handed out in the present one;
    `state_dict` keeps both, and the order.

    Example:
        >>> data = kuai.data.TensorDataset(kuai.arange(5))
        >>> [batch.tolist() for (batch,) in kuai.data.DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    batch_sampler: Any
    pin_memory_device: str
    prefetch_factor: int | None
    _iterator: _MultiProcessingDataLoaderIter | None
    __initialized = False

    def __init__(
        self,
        dataset: Dataset[_Sample] | Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self.prefetch_factor = options.check_workers(
            num_workers, timeout, prefetch_factor, persistent_workers
        )
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.generator = generator
        self.persistent_workers = persistent_workers
        options.check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self._order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        default = default_collate if self._auto_collation else default_convert
        self.collate_fn = default if collate_fn is None else collate_fn
        self.epoch = 0
        self._pass: loader_state.Pass | None = None
        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self.__initialized = True
        self.check_worker_number_rationality()

    def _order(
        self, batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
    ) -> None:
        if sampler is None:
            if isinstance(self.dataset, IterableDataset):
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(self.dataset, generator=self.generator)
            else:
                sampler = SequentialSampler(self.dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started: a context of `multiprocessing`, or None."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, multiprocessing_context: Any) -> None:
        self.__multiprocessing_context = options.checked_context(
            multiprocessing_context, self.num_workers
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Pass:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> Pass:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        return _MultiProcessingDataLoaderIter(self)

    @property
    def _dataset_kind(self) -> int:
        said = self.__dict__.get("_said_kind")
        streams = isinstance(self.dataset, IterableDataset)
        return (_DatasetKind.Iterable if streams else _DatasetKind.Map) if said is None else said

    @_dataset_kind.setter
    def _dataset_kind(self, kind: int) -> None:  # by loaders of packages, in their own `__init__`
        self._said_kind = kind

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        count: Any = self.dataset
        length = self._IterableDataset_len_called = len(count)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than this process may use processors."""
        if self.num_workers:
            options.warn_about_number(self.num_workers, stacklevel=3)

    @property
    def in_epoch(self) -> int:
        """How many batches of the present epoch have been handed out."""
        return 0 if self._pass is None else self._pass.batches

    state_dict = loader_state.state_dict
    load_state_dict = loader_state.load_state_dict
