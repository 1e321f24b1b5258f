"""Forks of a program that has computed: they cannot compute, and they can end."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


def _run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=200
    )


def test_a_fork_after_computing_is_warned_of():
    done = _run("""
import os, kuai
kuai.ones(2) + 1
if os.fork() == 0:
    os._exit(0)
os.wait()
""")
    assert done.returncode == 0 and "os.fork() is incompatible" in done.stderr


def test_a_fork_holds_the_arrays_that_it_inherits():
    done = _run("""
import os, weakref, kuai
x = kuai.ones(3) + 1
reference = weakref.ref(x.__jax_array__())
child = os.fork()
if child == 0:
    del x
    os._exit(3 if reference() is None else 0)
print(os.waitpid(child, 0)[1])
del x
print(reference())
""")
    assert done.stdout.split() == ["0", "None"], done.stderr


def test_forks_beside_a_thread_that_computes_end():
    done = _run("""
import os, threading, warnings
import kuai

warnings.simplefilter("ignore")
double = kuai.compile(lambda x: (x + 1) * 2)
tensor = double(kuai.zeros(2**20))
ends = threading.Event()

def work():
    while not ends.is_set():
        double(kuai.zeros(2**20 + 4096))

thread = threading.Thread(target=work)
thread.start()
for _ in range(40):
    child = os.fork()
    if child == 0:
        tensor = None  # large enough for memory that is kept for the next request
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
ends.set()
thread.join()
""")
    assert done.returncode == 0, done.stderr[-2000:]
