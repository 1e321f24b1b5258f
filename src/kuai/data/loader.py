"""DataLoader: a data set in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.data import loader_state
from kuai.data.dataset import IterableDataset, TensorDataset
from kuai.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from kuai.data.workers import Workers
from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.engine.tensor.randomness import Generator
from kuai.engine.tensor.views import value

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


class DataLoader:
    """Iterate over a data set in batches.

    Args:
        dataset: has `__getitem__` and `__len__`.
        batch_size: samples in a batch; None gives single samples.
        shuffle: a new order in every pass.
        sampler: the order of the indices, instead of `shuffle`.
        batch_sampler: lists of indices, instead of all of the above.
        collate_fn: makes a batch of a list of samples.
        drop_last: leave a last, shorter batch away.
        generator: the source of the orders.
        num_workers, pin_memory, timeout, worker_init_fn, multiprocessing_context, prefetch_factor,
            persistent_workers, pin_memory_device, in_order: checked and kept; batches are fetched
            in this process, one when it is asked for.

    `epoch` counts the passes done, `in_epoch` the batches handed out in the present one;
    `state_dict` keeps both, and the order.

    Example:
        >>> data = kuai.data.TensorDataset(kuai.arange(5))
        >>> [batch.tolist() for (batch,) in kuai.data.DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
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
        workers = Workers(
            num_workers,
            pin_memory,
            timeout,
            worker_init_fn,
            multiprocessing_context,
            prefetch_factor,
            persistent_workers,
            pin_memory_device,
            in_order,
        )
        self.__dict__.update(vars(workers))
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive "
                    "with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching "
                "and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if isinstance(dataset, IterableDataset):
                if shuffle:
                    raise ValueError(
                        "DataLoader with IterableDataset: expected unspecified shuffle option, but "
                        f"got shuffle={shuffle}"
                    )
                sampler = ()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn
        self.epoch = 0
        self._pass: loader_state.Pass | None = None

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            yield from self._stream()
            return
        running, order = loader_state.begin(self)
        for indices in order:
            batch = self.fetch(indices)
            running.batches += 1
            yield batch
        loader_state.end(self, running)

    @property
    def in_epoch(self) -> int:
        """How many batches of the present epoch have been handed out."""
        return 0 if self._pass is None else self._pass.batches

    state_dict = loader_state.state_dict
    load_state_dict = loader_state.load_state_dict

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            samples: Any = self.dataset
            count, size = len(samples), self.batch_size
            return count if size is None else count // size if self.drop_last else -(-count // size)
        order: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(order)

    def _stream(self) -> Iterator[Any]:
        """The batches of a data set that gives its samples one after the other."""
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from samples if self.collate_fn is None else map(self.collate_fn, samples)
            return
        collate = self.collate_fn or default_collate
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield collate(batch)

    def fetch(self, indices: Any) -> Any:
        """The batch of these indices; a single sample where there is no batch size."""
        if self.batch_sampler is None:
            sample = self.dataset[indices]
            return sample if self.collate_fn is None else self.collate_fn(sample)
        if self.collate_fn is None and type(self.dataset) is TensorDataset:
            # all rows at once
            return list(self.dataset[from_array(np.asarray(indices, np.int64))])
        samples = [self.dataset[index] for index in indices]
        return default_collate(samples) if self.collate_fn is None else self.collate_fn(samples)


def get_worker_info() -> None:
    """What a worker process is told about itself: None, batches are fetched by this process.

    Example:
        >>> kuai.data.get_worker_info() is None
        True
    """


def default_convert(data: Any) -> Any:
    """Arrays as tensors, in tuples, lists and dicts part by part.

    Example:
        >>> import numpy
        >>> kuai.data.default_convert({"x": numpy.arange(2), "name": "a"})
        {'x': tensor([0, 1]), 'name': 'a'}
    """
    if isinstance(data, np.ndarray) and data.dtype.kind not in "SUO":
        return from_array(data)
    if isinstance(data, dict):
        return {key: default_convert(part) for key, part in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, (tuple, list)):
        return [default_convert(part) for part in data]
    return data


def default_collate(batch: list) -> Any:
    """Stack samples: numbers, arrays and tensors become tensors, in tuples and dicts part by part.

    Example:
        >>> kuai.data.default_collate([{"x": 1, "y": (2.0, "a")}, {"x": 3, "y": (4.0, "b")}])
        {'x': tensor([1, 3]), 'y': [tensor([2., 4.], dtype=torch.float64), ('a', 'b')]}
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return from_array(jnp.stack([value(sample) for sample in batch]))
    if isinstance(first, (np.ndarray, np.generic)):
        return from_array(np.stack(batch))
    if isinstance(first, (bool, int)):
        return from_array(np.asarray(batch))
    if isinstance(first, float):
        return from_array(np.asarray(batch, dtypes.float64.jax))
    if isinstance(first, (str, bytes)):
        return tuple(batch)
    if isinstance(first, dict):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        return _collate_parts(batch)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first)}"
    )


def _collate_parts(batch: list) -> Any:
    first = batch[0]
    if any(len(sample) != len(first) for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    parts = [default_collate(list(part)) for part in zip(*batch, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else parts
