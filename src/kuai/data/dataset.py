"""Data sets: what can be asked for its i-th sample, or for one sample after the other."""

from __future__ import annotations

import bisect
import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from kuai.engine.tensor import Tensor

__all__ = ["ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "TensorDataset"]

_Sample = TypeVar("_Sample", covariant=True)


class Dataset(Generic[_Sample]):
    """Base class for data sets; a subclass has `__getitem__` and, as a rule, `__len__`.

    A subclass that gets many samples cheaper at once has `__getitems__` too: from a list of indices
    it gives a list of samples, and a loader calls it once a batch. `a + b` is a `ConcatDataset`.

    Example:
        >>> class Squares(kuai.data.Dataset[int]):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> Squares()[2], len(Squares() + Squares())
        (4, 6)
    """

    def __getitem__(self, index: Any) -> _Sample:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[_Sample], Iterable[_Sample]):
    """Base class for streams: a subclass has `__iter__`, which gives the samples of one pass.

    With workers each process iterates over its own copy; `get_worker_info` says which part is its.
    `a + b` is a `ChainDataset`.

    Example:
        >>> class Countdown(kuai.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter([3, 2, 1])
        >>> [batch.tolist() for batch in kuai.data.DataLoader(Countdown(), batch_size=2)]
        [[3, 2], [1]]
    """

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples that are the rows of one or more tensors.

    Args:
        tensors: tensors of the same length.

    Example:
        >>> data = kuai.data.TensorDataset(kuai.arange(3), kuai.ones(3))
        >>> data[1]
        (tensor(1), tensor(1.))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if any(tensors[0].size(0) != tensor.size(0) for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class ConcatDataset(Dataset[_Sample]):
    """The samples of several data sets, one data set after the other.

    Example:
        >>> data = kuai.data.ConcatDataset(["ab", "c"])
        >>> len(data), data[2], data[-1]
        (3, 'c', 'c')
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """How many samples there are up to the end of each data set."""
        return list(itertools.accumulate(map(len, sequence)))

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(data, IterableDataset) for data in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> _Sample:
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        number = bisect.bisect_right(self.cumulative_sizes, idx)
        before = self.cumulative_sizes[number - 1] if number else 0
        return self.datasets[number][idx - before]

    @property
    def cummulative_sizes(self) -> list[int]:
        """PyTorch's old spelling of `cumulative_sizes`."""
        warnings.warn(
            "`cummulative_sizes` attribute is renamed to `cumulative_sizes`",
            FutureWarning,
            stacklevel=2,
        )
        return self.cumulative_sizes


class ChainDataset(IterableDataset[Any]):
    """The samples of several iterable data sets, one data set after the other.

    Example:
        >>> class Letters(kuai.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter("ab")
        >>> list(Letters() + Letters())
        ['a', 'b', 'a', 'b']
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for data in self._checked():
            yield from data

    def __len__(self) -> int:
        return sum(map(len, self._checked()))

    def _checked(self) -> Iterator[Any]:
        for data in self.datasets:
            if not isinstance(data, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield data
