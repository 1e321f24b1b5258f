"""PyTorch's file of what is told of workers that die: loaders of packages call it.

Kuai's own loaders see by the worker's connection that it is gone. Here the processes that a loader
has named are looked at when a child ends, and a RuntimeError says which one failed.
"""

import os
import signal
import threading

_SIGCHLD_handler_set = False
_workers: dict[int, set[int]] = {}


def _set_worker_signal_handlers() -> None:
    """Nothing: what a worker dies of is seen by the process that asks it."""


def _set_worker_pids(key: int, pids: tuple[int, ...]) -> None:
    """Name the processes of a loader."""
    if key in _workers:
        raise ValueError(
            "_set_worker_pids should be called only once for each _BaseDataLoaderIter."
        )
    _workers[key] = set(pids)


def _remove_worker_pids(key: int) -> None:
    """Forget them."""
    if key not in _workers:
        raise ValueError("Cannot find worker information for _BaseDataLoaderIter with id {key}")
    del _workers[key]


def _error_if_any_worker_fails() -> None:
    """Raise an error for a named process that ended by a signal or with an error.

    Each is reported once, and left for whoever waits for it.
    """
    for pids in _workers.values():
        for pid in list(pids):
            try:
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                continue
            if ended is None or ended.si_code == os.CLD_EXITED and not ended.si_status:
                continue
            pids.clear()
            how = (
                f"exited unexpectedly with exit code {ended.si_status}. Details are lost due to "
                "multiprocessing. Rerunning with num_workers=0 may give better error trace."
                if ended.si_code == os.CLD_EXITED
                else f"is killed by signal: {signal.strsignal(ended.si_status)}. "
            )
            raise RuntimeError(f"DataLoader worker (pid {pid}) {how}")


def _set_SIGCHLD_handler() -> None:
    """Have children that end be looked at, and go on doing what was done before."""
    global _SIGCHLD_handler_set
    is_main = threading.current_thread() is threading.main_thread()
    if _SIGCHLD_handler_set or not is_main or not hasattr(signal, "SIGCHLD"):
        return
    before = signal.getsignal(signal.SIGCHLD)

    def handler(number, frame):
        _error_if_any_worker_fails()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGCHLD, handler)
    _SIGCHLD_handler_set = True
