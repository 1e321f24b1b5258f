"""Processes of workers: none is left over, none is waited for, however a program ends.

Every program runs in a process of its own, without `if __name__ == "__main__":`, and with its data
set in the program itself.
"""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

SOURCE = pathlib.Path(__file__).parent.parent.parent / "src"
PATIENCE = 120  # seconds; the machine may be busy

START = """
import os, signal, sys, time, warnings
import kuai
from kuai.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

print("program", flush=True)
scale = kuai.tensor([10])

class Numbers(Dataset):
    def __len__(self):
        return 1000
    def __getitem__(self, i):
        return scale * i

class Sleepers(Numbers):
    def __getitem__(self, i):
        if i > 3:
            time.sleep(1000)
        return i

def alive(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]

def begun(dataset, **options):
    iterator = iter(DataLoader(dataset, 2, num_workers=2, **options))
    next(iterator)
    return iterator, [worker.pid for worker in iterator._workers]
"""


def started(program, **options):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "KUAI_TRACEBACK": "short"}
    return subprocess.Popen(
        [sys.executable, "-c", START + textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def ended(process):
    """Exit status and output of a process, and every process that it had started."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, out, err


def gone(pids):
    """Whether the processes end, soon."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if not [pid for pid in pids if psutil.pid_exists(pid)]:
            return True
        time.sleep(0.05)
    return False


def test_no_process_is_left_over():
    """One program, for each start costs: what it prints says what it saw."""
    program = """
    iterator, pids = begun(Numbers())
    print("first", next(iterator).tolist())
    del iterator
    print("left in the middle", alive(pids))

    warnings.simplefilter("ignore")  # JAX's about the fork
    iterator, pids = begun(Numbers())
    child = os.fork()
    if not child:
        del iterator
        os._exit(0)
    os.waitpid(child, 0)
    print("after a fork has ended", sum(map(len, iterator)), alive(pids))

    def epoch():
        for batch in DataLoader(Numbers(), 2, num_workers=2):
            raise ValueError("in the training loop")
    try:
        epoch()
    except ValueError as error:
        print(error)

    iterator, pids = begun(Numbers(), persistent_workers=True)
    os.kill(pids[0], signal.SIGKILL)
    try:
        list(iterator)
    except RuntimeError as error:
        print(str(error).replace(str(pids[0]), "PID"))
    print("after a kill", alive(pids))
    try:
        next(iterator)
    except RuntimeError as error:
        print(error)
    print("anew", sum(len(batch) for batch in iterator._loader))

    class Leaving(Numbers):
        def __getitem__(self, i):
            os._exit(7) if i == 2 else None
            return i
    try:
        list(DataLoader(Leaving(), 2, num_workers=1))
    except RuntimeError as error:
        print(str(error).partition("code")[2])

    def numbers():
        yield 1
    class Held(Numbers):
        def __init__(self):
            self.held = numbers()
    for what in (dict(dataset=Held()), dict(dataset=Numbers(), collate_fn=numbers().send)):
        try:
            iter(DataLoader(**what, num_workers=1))
        except TypeError as error:
            print(str(error).partition("Each")[0])
    class Unsendable(Numbers):
        def __getitem__(self, i):
            return numbers()
    try:
        next(iter(DataLoader(Unsendable(), None, num_workers=1)))
    except TypeError as error:
        print(str(error).splitlines()[0])
    kept = DataLoader(Numbers(), 2, num_workers=2, persistent_workers=True)
    next(iter(kept))
    """
    status, out, err = ended(started(program))
    assert out.splitlines() == [
        "program",
        "first [[20], [30]]",
        "left in the middle []",
        "after a fork has ended 998 []",
        "in the training loop",
        "DataLoader worker (pid PID) is killed by signal: Killed. Linux kills processes when "
        "memory runs out; fewer workers, a smaller prefetch_factor or smaller batches need less.",
        "after a kill []",
        "The workers of this iterator have ended; iterate over it anew",
        "anew 1000",
        " 7. Details are lost due to multiprocessing. Rerunning with num_workers=0 may give better "
        "error trace.",
        "The data set cannot be sent to the worker processes, in its attribute 'held': cannot "
        "pickle 'generator' object. ",
        "The collate_fn cannot be sent to the worker processes: cannot pickle 'generator' object. ",
        "Caught TypeError in DataLoader worker process 0.",
    ]
    assert (status, err) == (0, "")


ENDS = {
    "killed": signal.SIGKILL,
    "terminated": signal.SIGTERM,
    "interrupted": signal.SIGINT,
}


@pytest.mark.parametrize("end", ENDS)
def test_workers_end_with_the_program(end):
    """Although they are in the middle of something that takes long."""
    process = started(
        """
        iterator, pids = begun(Sleepers(), persistent_workers=True)
        print(*pids, os.getpid(), flush=True)
        next(iterator)
        next(iterator)
        """,
        start_new_session=True,
    )
    assert process.stdout.readline() == "program\n"
    *pids, program = map(int, process.stdout.readline().split())
    assert all(map(psutil.pid_exists, pids))
    family = [child.pid for child in psutil.Process(program).children(recursive=True)]
    if end == "interrupted":
        time.sleep(1)  # so that it waits for a batch; elsewhere the end takes longer
        os.killpg(program, signal.SIGINT)  # as a terminal does
    else:
        os.kill(program, ENDS[end])
    status, _, err = ended(process)
    assert status == -ENDS[end]
    assert ("KeyboardInterrupt" in err) == (end == "interrupted")
    assert err.count("Traceback") == (end == "interrupted")
    assert gone({*pids, *family})
