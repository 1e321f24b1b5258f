"""Processes that do nothing but save, until they are stopped.

A process that has imported Kuai, but not started JAX, forks a writer for each stop, which takes a
fraction of the time of a new Python. A writer saves states whose arrays all say the same number,
and tells each number when it is on the disk.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np

import kuai
from kuai.saving.converting import convert

KEEP = 1  # as a reader can be unluckiest
SIZES = (1, 1000, 60_000)
SERVER = """
import os, sys, traceback
import kuai
from tests.saving import writers

for line in sys.stdin:
    folder, kind = line.rsplit(maxsplit=1)
    child = os.fork()
    if child == 0:
        try:
            writers.write_for_ever(kind, folder)
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(1, f"dead {status}\\n".encode())
"""


def state_of(number: int) -> dict:
    # two layouts in turn, so that the header of one and the bytes of the other give nonsense
    kind = kuai.int64 if number % 2 else kuai.float32
    return {f"of {size}": kuai.full((size,), number, dtype=kind) for size in SIZES}


def number_of(state: dict) -> int:
    """The number that all arrays say; an error if they do not say the same."""
    found = {int(number) for t in state.values() for number in np.unique(np.asarray(t))}
    assert len(state) == len(SIZES) and len(found) == 1, f"a mixture of {sorted(found)}"
    return found.pop()


class Run:
    """What a Checkpointer saves."""

    def __init__(self):
        self.state = state_of(0)

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


class Net(kuai.nn.Module):
    """A network that gives back its arrays."""

    def __init__(self, number):
        super().__init__()
        self.weights = kuai.nn.ParameterList([t.float() for t in state_of(number).values()])

    def forward(self, x):
        return tuple(weight + 0 * x.view(-1, 1) for weight in self.weights)


# Writers: (folder, number) saves, and (folder) gives what is there -------------------------------


def _save_several(folder, number):
    # now several files, now one that takes their place
    size = "1MB" if number % 5 == 0 else 100_000
    kuai.save_file(state_of(number), folder, max_shard_size=size)


def _convert(folder, number):
    kuai.save(state_of(number), f"{folder}/a.pt")
    convert(f"{folder}/a.pt", f"{folder}/b.safetensors.index.json", max_shard_size=100_000)


def _export(folder, number):
    kuai.export(Net(number), kuai.ones(1), f"{folder}/net.zip")


def _run_exported(folder):
    outputs = kuai.load_exported(f"{folder}/net.zip")(kuai.ones(1))
    return dict(enumerate(outputs))


def _checkpoint(asynchronous):
    runs = {}

    def save(folder, number):
        if folder not in runs:
            run = Run()
            runs[folder] = run, kuai.Checkpointer(folder, KEEP, asynchronous=asynchronous, run=run)
            runs[folder][1].restore()
        run, checkpoints = runs[folder]
        run.state = state_of(number)
        checkpoints.save(number)
        return number - asynchronous

    return save


def _restore(folder):
    run = Run()
    kuai.Checkpointer(folder, run=run).restore()
    return run.state


WRITERS = {
    "file.pt": (
        lambda folder, number: kuai.save(state_of(number), f"{folder}/a.pt"),
        lambda folder: kuai.load(f"{folder}/a.pt"),
    ),
    "file.safetensors": (
        lambda folder, number: kuai.save(state_of(number), f"{folder}/a.safetensors"),
        lambda folder: kuai.load(f"{folder}/a.safetensors"),
    ),
    "several": (_save_several, kuai.load_file),
    "convert": (_convert, lambda folder: kuai.load(f"{folder}/b.safetensors.index.json")),
    "checkpoint": (_checkpoint(False), _restore),
    "checkpoint-asynchronous": (_checkpoint(True), _restore),
    "export": (_export, _run_exported),
}


def write_for_ever(kind: str, folder: str) -> None:
    save, load = WRITERS[kind]
    number = number_of(load(folder)) if os.listdir(folder) else 0
    os.write(1, f"writer {os.getpid()}\n".encode())
    while True:
        number += 1
        safe = save(folder, number)
        os.write(1, f"safe {number if safe is None else safe}\n".encode())


# The other side -----------------------------------------------------------------------------------


@contextmanager
def server():
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    path = os.pathsep.join([os.path.join(root, "src"), root])
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            yield process
        finally:
            process.stdin.close()


def start(process, kind, folder) -> int:
    """Start a writer; its process number."""
    print(folder, kind, file=process.stdin, flush=True)
    word, pid = process.stdout.readline().split()
    assert word == "writer"
    return int(pid)


def write_and_stop(process, kind, folder, number, moments) -> tuple[int, int]:
    """Have a writer get a signal some time after a few saves: what it promised, and its status."""
    pid = start(process, kind, folder)
    safe = 0
    for _ in range(moments.randint(1, 3)):
        word, value = process.stdout.readline().split()
        assert word == "safe", f"the writer ended by itself, with status {value}"
        safe = int(value)
    time.sleep(moments.uniform(0, 0.02))
    os.kill(pid, number)
    for count, line in enumerate(process.stdout):
        word, value = line.split()
        if word == "dead":
            return safe, int(value)
        safe = int(value)
        if count % 20 == 19:  # an interrupt in JAX's callback of the garbage collector is swallowed
            os.kill(pid, number)
    raise AssertionError("the server has ended")


STATUS = {signal.SIGINT: 130, signal.SIGTERM: -signal.SIGTERM, signal.SIGKILL: -signal.SIGKILL}
