"""kill -9 at random moments: there is always a whole checkpoint, and the last one promised.

A process that has imported Kuai, but not started JAX, forks a writer for each kill, which takes a
fraction of the time of a new Python. The writer saves in a tight loop and tells the steps that it
knows to be on the disk. Then the folder is looked at from here, as a restarted run would.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import kuai

KILLS = 50
KEEP = 2
SERVER = """
import os, sys
import kuai
import numpy as np
from tests.saving.test_kill import State

def write(folder, asynchronous):
    state = State()
    checkpoints = kuai.Checkpointer(folder, keep=2, asynchronous=asynchronous, state=state)
    step = checkpoints.restore() or 0
    os.write(1, f"writer {os.getpid()}\\n".encode())
    while True:
        step += 1
        state.fill(step)
        checkpoints.save(step, metric=-abs(step - 40), notes=step)
        safe = step - 1 if asynchronous else step
        os.write(1, f"safe {safe}\\n".encode())

for line in sys.stdin:
    folder, asynchronous = line.rsplit(maxsplit=1)
    child = os.fork()
    if child == 0:
        write(folder, asynchronous == "True")
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


class State:
    """Arrays and a number which all say the same."""

    def __init__(self):
        self.fill(0)

    def fill(self, step):
        self.content = {
            "number": step,
            "arrays": [np.full(size, step, np.int64) for size in (1, 1000, 60_000)],
        }

    def state_dict(self):
        return self.content

    def load_state_dict(self, state):
        self.content = state

    def is_of(self, step):
        return self.content["number"] == step and all(
            bool((array == step).all()) for array in self.content["arrays"]
        )


@pytest.fixture
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
        yield process
        process.stdin.close()


def write_and_kill(server, folder, asynchronous, moments):
    """Have a writer killed some time after a few saves; the last step that it promised."""
    print(folder, asynchronous, file=server.stdin, flush=True)
    kind, pid = server.stdout.readline().split()
    assert kind == "writer"
    safe = 0
    for _ in range(moments.randint(0, 3)):
        safe = int(server.stdout.readline().split()[1])
    time.sleep(moments.uniform(0, 0.03))
    os.kill(int(pid), signal.SIGKILL)
    for line in server.stdout:
        if line == "dead\n":
            return safe
        safe = int(line.split()[1])


@pytest.mark.parametrize("asynchronous", [True, False])
def test_killed_while_writing(server, tmp_path, asynchronous):
    moments = random.Random(20 + asynchronous)
    state, last, halves = State(), 0, 0
    for _ in range(KILLS):
        safe = write_and_kill(server, tmp_path, asynchronous, moments)
        checkpoints = kuai.Checkpointer(tmp_path, keep=KEEP, state=state)
        step = checkpoints.restore()
        assert (step or 0) >= max(safe, last)
        last = step or 0
        for step in checkpoints.steps():
            assert checkpoints.restore(step) == step and state.is_of(step)
            assert checkpoints.notes(step) == step
        halves += check_names(tmp_path)
    print(f"{last} saves; {halves} of {KILLS} kills left half a file")
    assert last >= KILLS // 2
    checkpoints.save(last + 1)
    assert len(checkpoints.steps()) <= KEEP + 1
    assert check_names(tmp_path) == 0


def check_names(folder):
    """Nothing piles up: the last ones, the best, one more if the kill came before deleting, and at
    most one file half written; how many of these."""
    names = [path.name for path in folder.iterdir()]
    half = [name for name in names if name.startswith(".")]
    whole = [name for name in names if re.fullmatch(r"step-\d{8}\.safetensors", name)]
    assert len(whole) <= KEEP + 2 and len(half) <= 1
    assert len(whole) + len(half) == len(names)
    return len(half)
