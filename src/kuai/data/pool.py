"""The processes of a loader's workers: started, asked, listened to, and ended.

Each worker has a connection of its own and nothing is shared between workers, so one that is killed
in the middle of a word leaves the others alone, and is noticed at once: its connection ends.
However the loader's process ends, the workers' connections end with it, and so do they (see
`worker`). Hence no locks, no watching of process numbers, nothing to be cleaned up by name.

Processes are started by a fork server where there is one: it imports Kuai once, and each worker is
a fork of it, made in milliseconds. Forking the program itself, as PyTorch does on Linux, is no
choice: XLA's threads do not survive it, and the child's first computation would wait for them
forever.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any, NoReturn

from kuai.data import worker
from kuai.data.failures import died
from kuai.data.parcels import Parcel, accept, send, unpacked
from kuai.errors import UnsendableError

__all__ = ["WorkerPool", "default_context"]

_PATIENCE = 5.0  # seconds that a worker may take to finish what it does
_starting = threading.Lock()


class WorkerPool:
    """The processes that work on one job.

    Attributes:
        processes: one for each worker.
        starting: the numbers of those that have not begun yet.
        returned: for each the numbers of its segments that are read by nobody any more.
        heard: the number of the one that was listened to last.
        owner: the process that has started them.
    """

    def __init__(self, job: worker.Job, context: Any) -> None:
        self.processes: list[Any] = []
        self.connections: list[Any] = []
        self.returned: list[list[int]] = [[] for _ in range(job.num_workers)]
        self.closed = False
        self.starting = set(range(job.num_workers))
        self.heard = -1
        self.owner = os.getpid()
        setting, parcel = Parcel(worker.Setting()), _packed(job)
        try:
            for number in range(job.num_workers):
                self._start(number, context)
            for connection in self.connections:
                setting.send(connection)
                parcel.send(connection)
        except OSError:  # it ended before it had read everything, and is told of when it is asked
            return
        except BaseException:
            self.close()
            raise

    def _start(self, number: int, context: Any) -> None:
        ours, theirs = context.Pipe(duplex=True)
        with theirs:
            process = context.Process(target=worker.run, args=(theirs, number), daemon=True)
            with _without_program(context):
                process.start()
        self.processes.append(process)
        self.connections.append(ours)

    def tell(self, number: int, message: Any) -> None:
        """Send a worker something."""
        try:
            numbers = self.returned[number]  # the list itself stays: more will be put into it
            returned = [numbers.pop() for _ in range(len(numbers))]
            send(self.connections[number], (message, returned))
        except OSError:
            self._fail(number)

    def answer(self, timeout: float | None) -> Any:
        """What a worker sends next; TimeoutError after `timeout` seconds of silence.

        The time that the processes take to start does not count.
        """
        while True:
            ready = multiprocessing.connection.wait(
                self.connections, None if self.starting else timeout
            )
            if not ready:
                raise TimeoutError
            number = self._next_of(ready)
            answer = self._read(number)
            if answer is not None:
                return answer
            self.starting.discard(number)

    def _next_of(self, ready: list) -> int:
        """Whose turn it is: a quick worker must not keep the others from being heard."""
        numbers = map(self.connections.index, ready)
        self.heard = min(numbers, key=lambda n: (n - self.heard - 1) % len(self.connections))
        return self.heard

    def _read(self, number: int) -> Any:
        """A worker's answer; None where it only says that it is ready."""
        try:
            accepted = accept(self.connections[number], self.returned[number])
        except (EOFError, OSError):
            self._fail(number)
        return unpacked(accepted)

    def _fail(self, number: int) -> NoReturn:
        process = self.processes[number]
        process.join(_PATIENCE)
        error = died(process.pid, process.exitcode)
        self.close()
        raise error

    def close(self, patience: float = _PATIENCE) -> None:
        """End the processes: they finish what they do, and are killed if that takes too long."""
        if self.closed or os.getpid() != self.owner:
            return  # a fork of the program has only a copy of this, and the workers are not its own
        self.closed = True
        for connection in self.connections:
            with contextlib.suppress(OSError):
                send(connection, (None, []))
        self._let_finish(time.monotonic() + patience)
        for end in ("terminate", "kill"):
            for process in self.processes:
                if process.is_alive():
                    getattr(process, end)()
            for process in self.processes:
                process.join(1)
        for connection in self.connections:
            connection.close()

    def _let_finish(self, until: float) -> None:
        """Read on, so that no worker waits for its last words to be heard."""
        speaking = list(self.connections)
        while speaking and (left := until - time.monotonic()) > 0:
            for connection in multiprocessing.connection.wait(speaking, left):
                if not _something_read(connection):
                    speaking.remove(connection)
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))


def _something_read(connection: Any) -> bool:
    try:
        return bool(os.read(connection.fileno(), 1 << 16))
    except OSError:
        return False


# Starting -----------------------------------------------------------------------------------------


def default_context() -> Any:
    """How processes are started where nobody has said it: by a fork server, else anew."""
    methods = multiprocessing.get_all_start_methods()
    chosen = multiprocessing.get_start_method(allow_none=True)
    method = "forkserver" if "forkserver" in methods and chosen != "spawn" else "spawn"
    return multiprocessing.get_context(method)


@contextlib.contextmanager
def _without_program(context: Any) -> Iterator[None]:
    """A process that is started would run the program again, to have its classes; ours are sent
    theirs."""
    with _starting:
        if context.get_start_method() == "forkserver":
            _have_kuai_imported(context)
        program = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = program


def _have_kuai_imported(context: Any) -> None:
    """Have the fork server import Kuai once; it does so when it starts, and not later."""
    server = sys.modules.get("multiprocessing.forkserver")  # if anybody has asked for anything
    asked = getattr(server._forkserver, "_preload_modules", []) if server else []
    wanted = [name for name in asked if name != "__main__"]
    if __name__ not in wanted:
        context.set_forkserver_preload([*wanted, __name__])


def _packed(job: worker.Job) -> Parcel:
    try:
        return Parcel(job)
    except Exception as error:
        what, attribute = _culprit(job)
        raise UnsendableError(what, attribute, error) from error


def _culprit(job: worker.Job) -> tuple[str, str | None]:
    """Which part of a job cannot be pickled, and which attribute of that."""
    parts = {
        "data set": job.dataset,
        "collate_fn": job.collate_fn,
        "worker_init_fn": job.init_fn,
    }
    what = next((name for name, part in parts.items() if not _can_be_sent(part)), "data set")
    attributes = getattr(parts[what], "__dict__", {})
    return what, next((n for n, part in attributes.items() if not _can_be_sent(part)), None)


def _can_be_sent(part: Any) -> bool:
    try:
        Parcel(part)
    except Exception:  # noqa: BLE001 - whatever it is, it is why
        return False
    return True
