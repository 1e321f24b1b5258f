"""Samplers: the order in which a loader asks for samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.randomness import Generator, draw
from kuai.ops.array.existing_data import as_tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "base_seed",
    "permutation",
]

_Index = TypeVar("_Index", covariant=True)


def permutation(count: int, generator: Generator | None = None) -> np.ndarray:
    """The numbers below `count` in random order.

    NumPy shuffles, with a seed drawn from `generator`: a program would have to be compiled for each
    count, only to shuffle a list on the host.
    """
    return _source(generator).permutation(count)


def _source(generator: Generator | None) -> np.random.Generator:
    """NumPy's random numbers, from where `generator` stands."""
    key, offset = (concrete(part, "sampling") for part in draw(generator))
    return np.random.default_rng([*key.tolist(), int(offset)])


def base_seed(generator: Generator | None = None) -> int:
    """What the seeds of a pass's workers are counted up from."""
    return int(_source(generator).integers(1 << 63))


class Sampler(Generic[_Index]):
    """Base class for samplers: iterate over one to get indices, or lists of them.

    Example:
        >>> class Backwards(kuai.data.Sampler[int]):
        ...     def __init__(self, count):
        ...         self.count = count
        ...     def __iter__(self):
        ...         return iter(range(self.count - 1, -1, -1))
        >>> list(kuai.data.DataLoader("abc", batch_size=None, sampler=Backwards(3)))
        ['c', 'b', 'a']
    """

    def __init__(self, data_source: Sized | None = None) -> None:
        """Takes, and ignores, what PyTorch's had to be given until 2.2: subclasses still do."""

    def __iter__(self) -> Iterator[_Index]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """The indices in order."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices in an order that is new in every pass.

    Args:
        replacement: draw each index from all of them, so that one may come twice.
        num_samples: how many to draw (default: as many as there are).

    Example:
        >>> generator = kuai.Generator().manual_seed(0)
        >>> sorted(kuai.data.RandomSampler("abcd", generator=generator))
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices a pass has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        count, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            if not count:
                raise RuntimeError(
                    "random_ expects 'from' to be less than 'to', but got from=0 >= to=0"
                )
            drawn = _source(self.generator).integers(count, size=wanted)
            return iter(drawn.tolist())
        # all at once, so that nothing else draws from the generator in between
        orders = [permutation(count, self.generator).tolist() for _ in range(-(-wanted // count))]
        return itertools.islice(itertools.chain.from_iterable(orders), wanted)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in an order that is new in every pass.

    Example:
        >>> sorted(kuai.data.SubsetRandomSampler([4, 7]))
        [4, 7]
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for index in permutation(len(self.indices), self.generator).tolist():
            yield self.indices[index]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to their weights.

    Args:
        weights: one for each index; they need not sum to one.
        num_samples: how many are drawn in a pass.
        replacement: whether an index may come twice.

    Without replacement the places of the largest `w / e` are taken, `e` exponentially distributed
    (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).

    Example:
        >>> list(kuai.data.WeightedRandomSampler([0, 1], 3))
        [1, 1, 1]
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.weights = as_tensor(weights, dtype=dtypes.float64)
        if len(self.weights.shape) != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        weights = concrete(self.weights, "sampling")
        if not self.replacement and self.num_samples > len(weights):
            raise RuntimeError(
                "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
            )
        _check_weights(weights, replacement=self.replacement, single=self.num_samples == 1)
        yield from _drawn(weights, self.num_samples, self.replacement, _source(self.generator))

    def __len__(self) -> int:
        return self.num_samples


def _check_weights(weights: np.ndarray, replacement: bool, single: bool) -> None:
    """Raise what PyTorch's `multinomial` raises, whose two ways have texts of their own."""
    if single and not weights.size:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    wrong = weights[~(np.isfinite(weights) & (weights >= 0))]
    if wrong.size and (single or not replacement):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if wrong.size:
        found = "= infinity or NaN" if wrong[0] > 0 else "< 0"
        raise RuntimeError(
            f"invalid multinomial distribution (encountering probability entry {found})"
        )
    if weights.sum() <= 0:
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _drawn(
    weights: np.ndarray, count: int, replacement: bool, source: np.random.Generator
) -> list[int]:
    if replacement:
        sums = weights.cumsum()
        places = np.searchsorted(sums, source.random(count) * sums[-1], side="right")
        last = int(weights.nonzero()[0][-1])  # where rounding leads beyond the end
        return np.minimum(places, last).tolist()
    keys = weights / source.standard_exponential(len(weights))
    return np.argsort(-keys, kind="stable")[:count].tolist()


class BatchSampler(Sampler[list[int]]):
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
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        order: Any = self.sampler
        count = len(order)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
