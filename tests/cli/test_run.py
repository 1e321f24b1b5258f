"""`kuai run`: a program sees what it would see under `python`, and `torch` is Kuai."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import sys, importlib.metadata, importlib.util, logging
logging.basicConfig(level=logging.DEBUG)  # the script hears itself, not JAX
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
import kuai

assert torch is kuai and F is kuai.nn.functional and sys.modules["torch.nn"] is kuai.nn
assert torch.__version__ == importlib.metadata.version("torch") == "2.13.0"
assert torch.__version__ >= (2, 6) and str(torch.version.__version__) == "2.13.0"
assert "torch" in importlib.metadata.packages_distributions()
assert importlib.util.find_spec("torch") and not importlib.util.find_spec("torch.nowhere")
assert __name__ == "__main__" and sys.modules["__main__"].PROGRAM_NAME == "ours"
assert torch.nn.Linear(2, 3)(torch.ones(1, 2)).shape == (1, 3)
print(sys.argv, sys.path[0], __file__)
if sys.argv[1:] == ["fail"]:
    def divide(): return 1 / 0
    divide()
sys.exit(3)
""".replace("assert __name__", "PROGRAM_NAME = 'ours'\nassert __name__")


def python(*arguments, cwd, **environment):
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
    )


def run(*arguments, cwd, **environment):
    return python("-m", "kuai", "run", *arguments, cwd=cwd, **environment)


def test_a_script_sees_what_python_would_show_it(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run("program.py", "--fused", "x", cwd=tmp_path)
    assert done.stdout == f"['program.py', '--fused', 'x'] {tmp_path} program.py\n", done.stderr
    assert (done.returncode, done.stderr) == (3, "")


def test_a_traceback_begins_in_the_script(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run("program.py", "fail", cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith('  File "program.py", line ')
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_a_module_and_a_package(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("")
    (tmp_path / "pack/__main__.py").write_text(
        "import sys, torch; from . import other; print(sys.argv[1:], __package__, __spec__.name)"
    )
    (tmp_path / "pack/other.py").write_text("print('other', __name__)")
    done = run("-m", "pack", "a", cwd=tmp_path)
    assert done.stdout == "other pack.other\n['a'] pack pack.__main__\n", done.stderr
    done = run("-m", "pack.nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "kuai: there is no module 'pack.nowhere' that can be run\n"


def test_what_cannot_be_run(tmp_path):
    (tmp_path / "bad.py").write_text("x = = 1\n")
    done = run("bad.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith('  File "bad.py", line 1')
    done = run("nowhere.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "No such file or directory" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_it_as_it_ends_python(tmp_path):
    (tmp_path / "waits.py").write_text(
        "import os, signal, torch\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = run("waits.py", cwd=tmp_path)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"


def test_fused_and_explained(tmp_path):
    (tmp_path / "train.py").write_text(
        "import torch\n"
        "net = torch.nn.Linear(2, 1)\n"
        "opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "for _ in range(4):\n"
        "    loss = net(torch.ones(3, 2)).square().sum()\n"
        "    print(loss.item() >= 0)\n"
        "    opt.zero_grad(); loss.backward(); opt.step()\n"
        "hasattr(torch, 'frobnicate'), hasattr(net.weight, 'wobble')\n"
        "print(type(loss), type(net.weight))\n"
        "import pickle\n"  # what goes to the workers of a loader may refer to modules
        "assert pickle.loads(pickle.dumps(torch.nn.functional)) is torch.nn.functional\n"
    )
    done = run("--fused", "--explain", "train.py", cwd=tmp_path)
    kinds = "<class 'torch.Tensor'> <class 'torch.nn.parameter.Parameter'>\n"
    assert done.stdout == "True\n" * 4 + kinds, done.stderr
    assert "  torch.frobnicate\n" in done.stderr and "  torch.Tensor.wobble\n" in done.stderr
    assert "item()" in done.stderr.partition("waited for it:")[2]
    assert "steps of optimizers: 4" in done.stderr


def test_explained_with_functions_that_the_program_compiles(tmp_path):
    (tmp_path / "train.py").write_text(
        "import torch\n"
        "net = torch.nn.Linear(2, 1)\n"
        "opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "@torch.compile\n"
        "def step(x):\n"
        "    opt.zero_grad(); loss = net(x).square().sum(); loss.backward(); opt.step()\n"
        "    return loss\n"
        "for _ in range(8): step(torch.ones(3, 2))\n"
    )
    said = run("--explain", "train.py", cwd=tmp_path).stderr
    assert "  step: 8 calls, 5 replayed, 1 program\n" in said  # looking on changes nothing
    assert "operations outside of them ran one by one" in said and "nothing had to wait" in said
    said = run("--explain", "--fused", "train.py", cwd=tmp_path).stderr
    assert "steps of optimizers: 8" in said and "step:" not in said and "waited" not in said


def test_the_plugin_for_pytest(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import torch, kuai\ndef test_it():\n    assert torch is kuai\n"
    )
    done = python("-m", "pytest", "-q", "-p", "kuai.as_torch", "test_it.py", cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_never_by_default_and_not_beside_the_real_one(tmp_path):
    (tmp_path / "torch.py").write_text("name = 'the real one'\n")
    program = (
        "import kuai, torch\n"
        "assert torch.name == 'the real one'\n"
        "try: kuai.as_torch()\n"
        "except ImportError as error: print(error)\n"
    )
    done = python("-c", program, cwd=tmp_path, PYTHONPATH=f"{ROOT / 'src'}{os.pathsep}{tmp_path}")
    assert done.stdout.startswith("The real PyTorch has been imported already"), done.stderr


PROCESSES = """
import torch, torch.multiprocessing as mp

def work(rank, queue):
    queue.put((rank, torch.ones(2) * rank, torch.__name__))

def fail(rank):
    raise ValueError("boom")

if __name__ == "__main__":
    queue = mp.get_context("spawn").SimpleQueue()
    running = mp.spawn(work, args=(queue,), nprocs=1, join=False)
    print(queue.get(), running.join())
    try:
        mp.spawn(fail)
    except mp.ProcessRaisedException as error:
        print("boom" in str(error))
"""


def test_processes_that_it_starts_are_kuai_too(tmp_path):
    (tmp_path / "program.py").write_text(PROCESSES)
    done = run("program.py", cwd=tmp_path)
    assert done.stdout == "(0, tensor([0., 0.]), 'torch') True\nTrue\n", done.stderr


def test_a_program_without_a_file(tmp_path):
    program = "import sys, torch\nprint(sys.argv, __name__, torch.ones(1).item())\n1 / 0\n"
    done = run("-c", program, "a", cwd=tmp_path)
    assert done.stdout == "['-c', 'a'] __main__ 1.0\n", done.stderr
    assert done.stderr.splitlines()[1] == '  File "<string>", line 3, in <module>'
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "kuai", "run", "-", "a"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        input=program,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "['-', 'a'] __main__ 1.0\n", done.stderr
    assert done.returncode == 1 and '"<stdin>", line 3' in done.stderr


BEGUN_ANEW = """
import torch, torch.multiprocessing as mp

class Square(mp.Process):
    def __init__(self, x, queue):
        super().__init__()
        self.x, self.queue = x, queue

    def run(self):
        self.queue.put(self.x @ self.x)

if __name__ == "__main__":
    x = torch.ones(9, 9)
    (x @ x).sum().item()  # JAX has threads from here on
    queue = mp.Queue()
    process = Square(x, queue)
    process.start()
    print(queue.get(timeout=100).sum().item())
    process.join()
    print(process.exitcode, mp.get_start_method(), mp.get_start_method(allow_none=True))
    with mp.Pool(1) as pool:
        print(pool.map(torch.sum, [torch.ones(2)]))
    mp.set_start_method("forkserver")
    print(mp.get_context().get_start_method(), mp.get_start_method())
    try:
        mp.set_start_method("spawn")
    except RuntimeError as error:
        print(error)
"""


def test_processes_of_torch_multiprocessing_begin_anew(tmp_path):
    (tmp_path / "a.py").write_text(BEGUN_ANEW)
    done = run("a.py", cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "729.0",
        "0 spawn None",
        "[tensor(2.)]",
        "forkserver forkserver",
        "context has already been set",
    ]
