"""A sampler for one of several processes that divide a data set between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
import numpy as np

from kuai.data.sampler import Sampler

__all__ = ["DistributedSampler"]

_Index = TypeVar("_Index", covariant=True)


class DistributedSampler(Sampler[_Index]):
    """The indices of one process of several; all together are the data set.

    Args:
        num_replicas: how many processes there are (default: as many as JAX runs in).
        rank: which of them this is (default: JAX's number of this one).
        shuffle: an order that is new in every epoch that `set_epoch` tells of.
        seed: what the order is drawn from; the same in all processes.
        drop_last: leave the last samples away where they do not suffice for all processes;
            otherwise the first ones come again.

    Example:
        >>> [list(kuai.data.DistributedSampler("abcde", 2, r, shuffle=False)) for r in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]

    Differs from PyTorch: without `num_replicas` and `rank` no group of processes has to be made
    before, JAX knows its processes; and the orders themselves are other ones.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        num_replicas = jax.process_count() if num_replicas is None else num_replicas
        rank = jax.process_index() if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        share = len(dataset) / num_replicas
        self.num_samples = math.floor(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[Any]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        order = np.resize(order, self.total_size)  # cut, or begun again
        return iter(order[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, so that its order is a new one, the same for all processes."""
        self.epoch = epoch
