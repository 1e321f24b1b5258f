"""Data sets: what can be asked for its i-th sample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from kuai.engine.tensor import Tensor

__all__ = ["Dataset", "IterableDataset", "TensorDataset"]

_Sample = TypeVar("_Sample", covariant=True)


class Dataset(Generic[_Sample]):
    """Base class for data sets; a subclass has `__getitem__` and, as a rule, `__len__`.

    Example:
        >>> class Squares(kuai.data.Dataset):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> Squares()[2]
        4
    """

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")


class IterableDataset(Dataset[_Sample]):
    """Base class for data sets that give their samples one after the other.

    Example:
        >>> class Countdown(kuai.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter([3, 2, 1])
        >>> [batch.tolist() for batch in kuai.data.DataLoader(Countdown(), batch_size=2)]
        [[3, 2], [1]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")


class TensorDataset(Dataset):
    """Samples that are the rows of one or more tensors.

    Args:
        tensors: tensors of the same length.

    Example:
        >>> data = kuai.data.TensorDataset(kuai.arange(3), kuai.ones(3))
        >>> data[1]
        (tensor(1), tensor(1.))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]
