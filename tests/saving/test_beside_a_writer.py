"""Readers beside a process that saves again and again: each load is one save, whole.

`make faults` does ten thousand loads of each kind.
"""

import os
import signal
import threading

import pytest

import kuai
from tests.saving import writers

COUNT = int(os.environ.get("KUAI_TEST_LOADS", "50"))


@pytest.fixture(scope="module")
def process():
    with writers.server() as process:
        yield process


def opened(path):
    with kuai.safe_open(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def restored(folder):
    run = writers.Run()
    step = kuai.Checkpointer(folder, run=run).restore()
    assert step == writers.number_of(run.state)
    return run.state


READERS = {
    "load": ("file.pt", lambda folder: kuai.load(folder / "a.pt")),
    "load_file": ("file.safetensors", lambda folder: kuai.load_file(folder / "a.safetensors")),
    "mmap": ("file.safetensors", lambda f: kuai.load_file(f / "a.safetensors", mmap=True)),
    "safe_open": ("file.safetensors", lambda folder: opened(folder / "a.safetensors")),
    "several": ("several", kuai.load_file),
    "safe_open several": ("several", opened),
    "restore": ("checkpoint", restored),
}


@pytest.mark.parametrize("name", READERS)
def test_each_load_is_one_save(name, process, tmp_path):
    kind, read = READERS[name]
    pid = writers.start(process, kind, tmp_path)
    process.stdout.readline()
    drain = threading.Thread(target=until_dead, args=(process,))
    drain.start()
    try:
        last = 0
        for _ in range(COUNT):
            number = writers.number_of(read(tmp_path))
            assert number >= last
            last = number
    finally:
        os.kill(pid, signal.SIGKILL)
        drain.join()


def until_dead(process):
    for line in process.stdout:
        if line.startswith("dead"):
            return
