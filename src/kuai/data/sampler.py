"""Samplers: the order in which a loader asks for samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np

from kuai.engine.tensor.randomness import Generator, draw

__all__ = ["BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "permutation"]


def permutation(count: int, generator: Generator | None = None) -> np.ndarray:
    """The numbers below `count` in random order.

    NumPy shuffles, with a seed drawn from `generator`: a program would have to be compiled for each
    count, only to shuffle a list on the host.
    """
    key, offset = (np.asarray(part) for part in draw(generator))
    return np.random.default_rng([*key.tolist(), int(offset)]).permutation(count)


class Sampler:
    """Base class for samplers: iterate over one to get indices."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError


class SequentialSampler(Sampler):
    """The indices in order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """The indices in an order that is new in every pass.

    Example:
        >>> generator = kuai.Generator().manual_seed(0)
        >>> sorted(kuai.data.RandomSampler("abcd", generator=generator))
        [0, 1, 2, 3]
    """

    def __init__(self, data_source: Sized, generator: Generator | None = None) -> None:
        self.data_source = data_source
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        return iter(permutation(len(self.data_source), self.generator).tolist())

    def __len__(self) -> int:
        return len(self.data_source)


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler; the last list may be shorter.

    Example:
        >>> list(kuai.data.BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
