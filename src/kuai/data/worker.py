"""A worker: a process that is told indices and sends batches.

It is started without the program (`__main__`) being run again, so a script needs no
`if __name__ == "__main__":`. What it works on comes in two parcels: how the process is to be set
up, and the job. Then come tasks, one batch each, until None says that it may go.

* A thread takes what arrives, so that the loader never waits for a worker that is busy. When the
  loader's process is gone, however that ended, the thread ends the worker at once.
* Ctrl-C is the loader's affair: it goes to all processes of a terminal, and the worker leaves it
  alone, so that a loader in a notebook can go on afterwards.
* JAX is told to use the CPU only, with one thread; it starts only where a data set makes tensors.
* What one batch has freed the next one needs: the C library is told to keep it. It would give all
  of it back to the system after each batch, and each page had to be cleared anew.
"""

from __future__ import annotations

import ctypes
import os
import queue
import random
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import jax
import numpy as np

from kuai.data import collating
from kuai.data.failures import Failure
from kuai.data.fetching import fetcher
from kuai.data.parcels import accept, send, unpacked
from kuai.data.segments import Segments
from kuai.engine.tensor import dtypes
from kuai.engine.tensor.randomness import manual_seed

__all__ = [
    "Begin",
    "End",
    "Job",
    "Setting",
    "Task",
    "WorkerInfo",
    "at_start",
    "get_worker_info",
    "numpy_state",
]


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker process knows about itself.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random numbers were started from.
        dataset: its copy of the data set.
        rng, worker_method: None and "multiprocessing", as for all of PyTorch's processes.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What this worker process knows about itself; None in any other process.

    Example:
        >>> kuai.data.get_worker_info() is None
        True
    """
    return _info


# What travels -------------------------------------------------------------------------------------

_AT_START: list[Callable[[], Any]] = []


def at_start(function: Callable[[], Any]) -> None:
    """Have every worker call a function before it unpacks its data set."""
    _AT_START.append(function)


class Setting:
    """How the process that asks for batches is set up, for a worker to be set up alike."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self.folder = os.getcwd()
        self.path = list(sys.path)
        self.default_dtype = dtypes.get_default_dtype()
        self.at_start = list(_AT_START)

    def apply(self) -> None:
        """Set this process up."""
        os.environ.update(self.environment)
        os.chdir(self.folder)
        sys.path[:] = self.path
        dtypes.set_default_dtype(self.default_dtype)
        for function in self.at_start:
            function()


class Job(NamedTuple):
    """What all workers of a loader are told."""

    dataset: Any
    batched: bool
    collate_fn: Callable
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], Any] | None
    num_workers: int
    collate_fn_map: dict
    streams: bool


class Begin:
    """A pass begins."""


class Task(NamedTuple):
    """One batch to fetch; `turn` says in which pass, `number` which batch of it."""

    turn: int
    number: int
    indices: Any


class End:
    """The worker's iterable data set has no more samples."""


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # numbers of malloc.h
_LARGEST = 2**25  # bytes of a piece that is kept, which the C library limits
_MOST_KEPT = 2**29


# The process --------------------------------------------------------------------------------------


def run(connection: Connection, number: int) -> None:
    """What the process of a worker does from its start to its end."""
    signal.signal(signal.SIGINT, _leave_alone)
    _keep_off_accelerators()
    _keep_memory()
    try:
        unpacked(accept(connection)).apply()
        job = accept(connection)
        send(connection, None)  # ready
        segments = Segments()
        arrived = _listen(connection, segments)
        _work(connection, number, job, arrived, segments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody is there any more


def _leave_alone(*_: Any) -> None:
    """A handler, for a signal that is ignored would be ignored by the worker's children too."""


def _keep_off_accelerators() -> None:
    os.environ.setdefault("NPROC", "1")  # the size of XLA's pool of threads
    jax.config.update("jax_platforms", "cpu")


def _keep_memory() -> None:
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # GNU's
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)


def _listen(connection: Connection, segments: Segments) -> queue.SimpleQueue:
    """The messages that arrive, in a queue; with each come numbers of segments that are free."""
    arrived: queue.SimpleQueue = queue.SimpleQueue()

    def listen() -> None:
        message: Any = True
        while message is not None:
            try:
                message, returned = unpacked(accept(connection))
            except (EOFError, OSError):
                os._exit(1)
            segments.give_back(returned)
            arrived.put(message)

    threading.Thread(target=listen, daemon=True, name="kuai_data_tasks").start()
    return arrived


def _work(
    connection: Connection,
    number: int,
    accepted: Any,
    arrived: queue.SimpleQueue,
    segments: Segments,
) -> None:
    where = f"in DataLoader worker process {number}"
    job = _begun(accepted, number, where)
    fetch: Any = None
    while (message := arrived.get()) is not None:
        if isinstance(message, Begin):
            fetch = None
            continue
        result: Any = job
        if isinstance(job, Job):
            try:
                fetch = fetch or _fetcher(job)
                result = fetch(message.indices)
            except Exception as error:  # noqa: BLE001 - told to whoever asked for the batch
                ends = isinstance(error, StopIteration) and job.streams
                result = End() if ends else Failure(error, where)
        _answer(connection, message, result, where, segments)


def _begun(accepted: Any, number: int, where: str) -> Job | Failure:
    """The job, or why it cannot be begun."""
    try:
        job = unpacked(accepted)
        _begin(job, number)
        return job
    except Exception as error:  # noqa: BLE001 - told to whoever asks for a batch
        return Failure(error, where)


def numpy_state(base_seed: int, worker_id: int) -> list[int]:
    """What NumPy's generator in a worker is started from: PyTorch's numbers.

    Example:
        >>> numpy_state(5, 2)[0]
        3826473080
    """
    low, high = base_seed & 0xFFFFFFFF, base_seed >> 32
    return np.random.SeedSequence([worker_id, low, high, 0]).generate_state(4).tolist()


def _begin(job: Job, number: int) -> None:
    """Random numbers, `get_worker_info`, and what the program wants to be done first."""
    global _info
    seed = job.base_seed + number
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(numpy_state(job.base_seed, number))
    _info = WorkerInfo(number, job.num_workers, seed, job.dataset)
    collating.default_collate_fn_map.update(job.collate_fn_map)
    if job.init_fn is not None:
        job.init_fn(number)


def _fetcher(job: Job) -> Callable[[Any], Any]:
    collate_fn = collating.for_host(job.collate_fn)
    return fetcher(job.dataset, job.batched, collate_fn, job.drop_last, streams=job.streams)


def _answer(
    connection: Connection, task: Task, result: Any, where: str, segments: Segments
) -> None:
    try:
        send(connection, (task.turn, task.number, result), segments)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # noqa: BLE001 - a batch that cannot be pickled
        send(connection, (task.turn, task.number, Failure(error, where)))
