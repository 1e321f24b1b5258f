"""Iterating over a loader in the process that asks: what both kinds of iterator share.

An iterator takes indices from the loader's sampler, has them fetched, and counts in `running` what
it hands out (see `loader_state`).
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

from kuai.data import loader_state
from kuai.data.borrowed import with_a_place
from kuai.data.fetching import fetcher
from kuai.data.pinning import accelerated, pin_memory, warn_about_pinning
from kuai.data.plain_iterating import _BaseDataLoaderIter, length_warning
from kuai.engine.tensor.frames import fold

if TYPE_CHECKING:
    from kuai.data.loader import DataLoader

__all__ = ["Pass", "_SingleProcessDataLoaderIter"]


class Pass(_BaseDataLoaderIter):
    """One pass over a loader's batches."""

    def __init__(self, loader: DataLoader) -> None:
        if loader.pin_memory:
            warn_about_pinning(loader.pin_memory_device)
        self._pins = loader.pin_memory and accelerated()
        self._loader = loader = with_a_place(loader)
        self._num_workers = loader.num_workers
        self._prefetch_factor = loader.prefetch_factor
        self._begin()

    def _begin(self) -> None:
        """Start a pass: a new one, or the rest of one that was begun elsewhere."""
        loader = self._loader
        self._running, self._indices = loader_state.begin(loader)
        self._promised = loader._IterableDataset_len_called
        self._num_yielded = 0
        with loader_state.as_it_began(loader):
            self._start()
            if loader._dataset_kind:
                self._fast_forward(self._running.batches)

    def _fast_forward(self, batches: int) -> None:
        """Get behind batches of a stream: there is no other way than to fetch them."""
        with contextlib.suppress(StopIteration):
            for _ in range(batches):
                self._next_data()

    def _start(self) -> None:
        raise NotImplementedError

    def _next_data(self) -> Any:
        raise NotImplementedError

    @property
    def _dataset_kind(self) -> int:
        return self._loader._dataset_kind

    @property
    def _base_seed(self) -> int | None:
        return self._running.seed

    def __iter__(self) -> Any:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", self.__class__.__name__)

    def __next__(self) -> Any:
        try:
            batch = self._next_data()
        except StopIteration:
            loader_state.end(self._loader, self._running)
            raise
        except Exception as error:
            fold(error)
            raise
        if self._pins:
            batch = pin_memory(batch)
        self._num_yielded += 1
        self._running.batches += 1
        if self._promised is not None and self._num_yielded > self._promised:
            self._warn_about_length()
        return batch

    def _warn_about_length(self) -> None:
        loader = self._loader
        assert self._promised is not None  # as `__next__` has seen
        text = length_warning(loader.dataset, self._promised, self._num_yielded, loader.num_workers)
        warnings.warn(text, stacklevel=3)


class _SingleProcessDataLoaderIter(Pass):
    """Batches are fetched by the process that asks for them, one when it is asked for."""

    def __init__(self, loader: DataLoader) -> None:
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        super().__init__(loader)

    def _start(self) -> None:
        loader = self._loader
        self._fetch = fetcher(
            loader.dataset,
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
            streams=bool(loader._dataset_kind),
        )

    def _next_data(self) -> Any:
        return self._fetch(next(self._indices))
