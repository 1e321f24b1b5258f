"""Iterating over a loader with workers: which worker fetches which batch, and who waits for what.

Each worker has `prefetch_factor` batches to fetch ahead. Batches go round the workers in turn and
are handed out in the order in which they were asked for, whichever comes first; with
`in_order=False` they are handed out as they come, and whoever is quick gets more to do.

Workers that persist are told of each pass; what they still send for an earlier one, that was left
in its middle, is thrown away.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

from kuai.data import loader_state
from kuai.data.collating import default_collate_fn_map
from kuai.data.failures import Failure
from kuai.data.iterating import Pass
from kuai.data.pool import WorkerPool, default_context
from kuai.data.worker import Begin, End, Job, Task

if TYPE_CHECKING:
    from kuai.data.loader import DataLoader

__all__ = ["_MultiProcessingDataLoaderIter"]

_IMPATIENT = 0.5  # seconds that workers have to end after Ctrl-C


class _MultiProcessingDataLoaderIter(Pass):
    """Batches are fetched ahead by other processes."""

    def __init__(self, loader: DataLoader) -> None:
        if not loader.prefetch_factor:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._pool: WorkerPool | None = None
        self._turn = 0
        super().__init__(loader)

    @property
    def _workers(self) -> list[Any]:
        return [] if self._pool is None else self._pool.processes

    def _shutdown_workers(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        """Begin another pass with the same workers."""
        self._begin()

    # A pass ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        loader, count = self._loader, self._loader.num_workers
        self._turn += 1
        self._asked = self._given = 0  # the number of the batch that is asked for, given next
        self._owner: dict[int, int] = {}  # who fetches a batch that has not been handed out
        self._early: dict[int, Any] = {}  # batches that have come before their turn
        self._parts: dict[int, Any] = {}  # the samplers' states after a batch's indices
        self._busy = [0] * count  # how many batches each worker has to fetch
        self._active = [True] * count  # whether there is more to get from it
        # as in a pass without a stop
        first = 0 if loader._dataset_kind else self._running.batches % count
        self._round = itertools.cycle([*range(first, count), *range(first)])
        self._have_workers()
        self._running.parts = loader_state.parts_now(loader) or None  # before anything is asked for
        for _ in range(self._ahead()):
            self._ask()

    def _have_workers(self) -> None:
        if self._pool is not None and not self._pool.closed:
            for number in range(len(self._workers)):
                self._pool.tell(number, Begin())
            return
        loader = self._loader
        context = loader.multiprocessing_context or default_context()
        self._pool = WorkerPool(_job(loader, self._running.seed or 0), context)
        weakref.finalize(self, self._pool.close)

    def _ahead(self) -> int:
        return (self._loader.prefetch_factor or 0) * self._loader.num_workers

    def _ask(self) -> None:
        """Give the next batch to a worker, as long as there are batches and workers."""
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        worker = self._next_worker()
        if worker is None or self._pool is None:
            return
        self._owner[self._asked] = worker
        self._parts[self._asked] = loader_state.parts_now(self._loader) or None
        self._busy[worker] += 1
        self._asked += 1
        self._pool.tell(worker, Task(self._turn, self._asked - 1, indices))

    def _next_worker(self) -> int | None:
        share = self._ahead() // max(1, sum(self._active))
        for worker in itertools.islice(self._round, len(self._active)):
            has_room = self._loader.in_order or self._busy[worker] < share
            if self._active[worker] and has_room:
                return worker
        return None

    # Batches --------------------------------------------------------------------------------------

    def _next_data(self) -> Any:
        while self._find_next():
            if self._given in self._early:
                return self._hand_out(self._given, self._early.pop(self._given))
            turn, number, batch = self._answer()
            if turn != self._turn or number not in self._owner:
                continue
            if isinstance(batch, End):
                self._retire(number)
            elif number == self._given or not self._loader.in_order:
                return self._hand_out(number, batch)
            else:
                self._early[number] = batch
        if not self._loader.persistent_workers:
            self._shutdown_workers()
        raise StopIteration

    def _find_next(self) -> bool:
        """Pass over the batches that nobody will bring; whether there is one left."""
        while self._given < self._asked:
            owner = self._owner.get(self._given)
            if self._given in self._early or (owner is not None and self._active[owner]):
                return True
            self._owner.pop(self._given, None)
            self._given += 1
        return False

    def _retire(self, number: int) -> None:
        """A worker has come to the end of its stream."""
        worker = self._owner.pop(number)
        if self._active[worker]:
            self._active[worker] = False
            self._ask()

    def _hand_out(self, number: int, batch: Any) -> Any:
        self._busy[self._owner.pop(number)] -= 1
        self._given += number == self._given
        self._running.parts = self._parts.pop(number)
        self._ask()
        if isinstance(batch, Failure):
            batch.reraise()
        return batch

    def _answer(self) -> Any:
        pool, timeout = self._pool, self._loader.timeout
        if pool is None or pool.closed:
            raise RuntimeError("The workers of this iterator have ended; iterate over it anew")
        try:
            return pool.answer(timeout or None)
        except TimeoutError:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None
        except BaseException:  # perhaps in the middle of a message: what follows would be wrong
            pool.close(patience=_IMPATIENT)
            raise


def _job(loader: DataLoader, seed: int) -> Job:
    return Job(
        loader.dataset,
        loader._auto_collation,
        loader.collate_fn,
        loader.drop_last,
        seed,
        loader.worker_init_fn,
        loader.num_workers,
        default_collate_fn_map,
        bool(loader._dataset_kind),
    )
