"""Data sets made of others: side by side, or a part of one."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from kuai.data.dataset import Dataset
from kuai.data.sampler import permutation
from kuai.engine.tensor.randomness import Generator, default_generator

__all__ = ["StackDataset", "Subset", "random_split"]

_Sample = TypeVar("_Sample", covariant=True)
_Stack = TypeVar("_Stack", tuple, dict)


class StackDataset(Dataset[_Stack], Generic[_Stack]):
    """The i-th samples of several data sets together: a tuple, or a dict by name.

    Example:
        >>> kuai.data.StackDataset("ab", [1, 2])[1]
        ('b', 2)
        >>> kuai.data.StackDataset(x="ab", y=[1, 2])[0]
        {'x': 'a', 'y': 1}
    """

    datasets: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        first, *others = args or kwargs.values()
        self._length = len(first)
        if any(len(data) != self._length for data in others):
            raise ValueError("Size mismatch between datasets")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: data[index] for name, data in self.datasets.items()}
        return tuple(data[index] for data in self.datasets)

    def __getitems__(self, indices: list) -> list[Any]:
        """The samples of a batch; data sets that get many at once are asked once."""
        if isinstance(self.datasets, dict):
            columns = [_many(data, indices) for data in self.datasets.values()]
            return [
                dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)
            ]
        return list(zip(*(_many(data, indices) for data in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


def _many(dataset: Any, indices: list) -> list[Any]:
    if not callable(getattr(dataset, "__getitems__", None)):
        return [dataset[index] for index in indices]
    found = dataset.__getitems__(indices)
    if len(found) != len(indices):
        raise ValueError(
            f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(found)}"
        )
    return found


class Subset(Dataset[_Sample]):
    """Some samples of a data set.

    A subclass with its own `__getitem__` needs its own `__getitems__` too: a loader calls that.

    Example:
        >>> list(kuai.data.Subset("abcd", [3, 0]))
        ['d', 'a']
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        own = type(self)
        if own.__getitem__ is not Subset.__getitem__ and own.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{own.__name__} overrides __getitem__ but not __getitems__. When subclassing "
                "Subset and overriding __getitem__, you must also override __getitems__ to ensure "
                "DataLoader works correctly with your custom logic. A simple implementation:\n\n"
                "def __getitems__(self, indices):\n"
                "    return [self.__getitem__(idx) for idx in indices]"
            )

    def __getitem__(self, idx: Any) -> _Sample:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list[_Sample]:
        """The samples of a batch."""
        chosen = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(chosen)
        return [self.dataset[index] for index in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any,
    lengths: Sequence[int | float],
    generator: Generator | None = default_generator,
) -> list[Subset]:
    """Divide a data set into parts of given sizes, or of given shares, at random.

    Shares are rounded down; what is left over goes to the first parts, one sample each.

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
        Subset(dataset, order[end - int(size) : end])
        for end, size in zip(ends, lengths, strict=True)
    ]


def _sizes_of(shares: Sequence[float], count: int) -> list[int]:
    for number, share in enumerate(shares):
        if share < 0 or share > 1:
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
