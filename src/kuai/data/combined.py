"""Data sets made of others: joined, side by side, parts of one."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kuai.data.dataset import Dataset, IterableDataset
from kuai.data.sampler import permutation
from kuai.engine.tensor.randomness import Generator

__all__ = ["ChainDataset", "ConcatDataset", "StackDataset", "Subset", "random_split"]


class ConcatDataset(Dataset):
    """The samples of several data sets, one data set after the other.

    Example:
        >>> data = kuai.data.ConcatDataset(["ab", "c"])
        >>> len(data), data[2], data[-1]
        (3, 'c', 'c')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(data, IterableDataset) for data in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> Any:
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        number = bisect.bisect_right(self.cumulative_sizes, idx)
        before = self.cumulative_sizes[number - 1] if number else 0
        return self.datasets[number][idx - before]


class ChainDataset(IterableDataset):
    """The samples of several iterable data sets, one data set after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for data in self.datasets:
            if not isinstance(data, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from data

    def __len__(self) -> int:
        return sum(map(len, self.datasets))  # type: ignore[arg-type]


class StackDataset(Dataset):
    """The i-th samples of several data sets together: a tuple, or a dict by name.

    Example:
        >>> kuai.data.StackDataset("ab", [1, 2])[1]
        ('b', 2)
        >>> kuai.data.StackDataset(x="ab", y=[1, 2])[0]
        {'x': 'a', 'y': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
                if args
                else "At least one dataset should be passed"
            )
        self.datasets: Any = kwargs or args
        self._length = len(next(iter(kwargs.values())) if kwargs else args[0])
        if any(len(data) != self._length for data in (*args, *kwargs.values())):
            raise ValueError("Size mismatch between datasets")

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: data[index] for name, data in self.datasets.items()}
        return tuple(data[index] for data in self.datasets)

    def __len__(self) -> int:
        return self._length


class Subset(Dataset):
    """Some samples of a data set.

    Example:
        >>> list(kuai.data.Subset("abcd", [3, 0]))
        ['d', 'a']
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [self.dataset[self.indices[i]] for i in indices]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """Divide a data set into parts of given sizes, or of given shares, at random.

    Example:
        >>> parts = kuai.data.random_split("abcd", [0.5, 0.5])
        >>> sorted([*parts[0], *parts[1]])
        ['a', 'b', 'c', 'd']

    Raises:
        ValueError: the sizes do not add up to the data set's.
    """
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _sizes_of(lengths, len(dataset))
    if sum(lengths) != len(dataset):
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = permutation(int(sum(lengths)), generator).tolist()
    ends = itertools.accumulate(map(int, lengths))
    return [
        Subset(dataset, order[end - int(n) : end]) for end, n in zip(ends, lengths, strict=True)
    ]


def _sizes_of(shares: Sequence[float], count: int) -> list[int]:
    """Sizes for shares; what is left over goes to the first parts, one each in turn."""
    for number, share in enumerate(shares):
        if not 0 <= share <= 1:
            raise ValueError(f"Fraction at index {number} is not between 0 and 1")
    sizes = [math.floor(count * share) for share in shares]
    for number in range(count - sum(sizes)):
        sizes[number % len(sizes)] += 1
    for number, size in enumerate(sizes):
        if size == 0:
            warnings.warn(
                f"Length of split at index {number} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return sizes
