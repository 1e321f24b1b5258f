"""Starting several processes that run the same function."""

import multiprocessing
import multiprocessing.connection
import os
import pickle
import tempfile
import traceback
from typing import Any

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):
    """One of the processes failed."""

    def __init__(self, msg: str, error_index: int, pid: int):
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """One of the processes raised an error."""


class ProcessExitedException(ProcessException):
    """One of the processes ended by a signal or with another status than 0."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int,
        signal_name: str | None = None,
    ):  # fmt: skip
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(function, number, args, path):
    try:
        function(number, *args)
    except KeyboardInterrupt:
        pass  # whoever stopped the parent sees its message
    except BaseException:  # noqa: BLE001 - the parent raises it
        with open(path, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that run; `join` waits for them."""

    def __init__(self, processes: list[Any], error_files: list[str]):
        self.processes, self.error_files = processes, error_files

    def pids(self) -> list[int]:
        """Their numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one of them fails or all are done; whether they are.

        Args:
            timeout: seconds to wait for the next one that ends; for all of them by default.
            grace_period: seconds that the others have to end by themselves where one has failed.

        Raises:
            ProcessRaisedException: one of them raised an error; the others are ended.
            ProcessExitedException: one of them ended with another status than 0.
        """
        while True:
            running = {each.sentinel: each for each in self.processes if each.exitcode is None}
            ended = multiprocessing.connection.wait(list(running), timeout) if running else []
            for sentinel in ended:
                running.pop(sentinel).join()  # it has closed what it had; its status comes later
            for number, process in enumerate(self.processes):
                if process.exitcode not in (None, 0):
                    self._fail(number, process, grace_period)
            if not running or timeout is not None:
                return not running

    def _fail(self, number, process, grace_period):
        for other in self.processes:
            if other.is_alive():
                other.terminate()
        for other in self.processes:
            other.join(grace_period)
            if other.is_alive():
                other.kill()
                other.join()
        path = self.error_files[number]
        if os.path.getsize(path):
            with open(path, "rb") as file:
                text = pickle.load(file)
            raise ProcessRaisedException(
                f"\n\n-- Process {number} terminated with the following error:\n{text}",
                number,
                process.pid,
            )
        raise ProcessExitedException(
            f"process {number} terminated with exit code {process.exitcode}",
            number,
            process.pid,
            process.exitcode,
        )


SpawnContext = ProcessContext


def start_processes(
    fn: Any, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run `fn(i, *args)` in `nprocs` processes.

    Raises:
        ValueError: for `start_method="fork"`: JAX's threads do not survive a fork.
    """
    if start_method == "fork":
        raise ValueError(
            "start_method='fork' would copy a process in which JAX runs threads, and the copy may "
            "wait for them for ever: use 'spawn' or 'forkserver'"
        )
    context: Any = multiprocessing.get_context(start_method)
    processes, files = [], []
    for number in range(nprocs):
        handle, path = tempfile.mkstemp(prefix="kuai-spawn-", suffix=".error")
        os.close(handle)
        process = context.Process(target=_run, args=(fn, number, args, path), daemon=daemon)
        process.start()
        processes.append(process)
        files.append(path)
    made = ProcessContext(processes, files)
    if not join:
        return made
    while not made.join():
        pass
    return None


def spawn(
    fn: Any, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run `fn(i, *args)` in `nprocs` fresh processes."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
