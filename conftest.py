"""What holds for every test and every docstring example.

The environment is set here, before anything imports JAX or torch: both read it only once.
"""

import gc
import importlib.util
import os
import pathlib
import sys

import numpy
import pytest

ROOT = pathlib.Path(__file__).parent

# Programs that are read by a checker or run by a test of their own, not imported.
collect_ignore = ["tests/typed", "tests/mission/code", "tests/strangers/programs"]
if importlib.util.find_spec("tensorboard") is None:
    collect_ignore.append("src/kuai/utils/tensorboard")  # as PyTorch's, it cannot be imported then

# Compiled programs are kept between runs, so that a second run does not compile them again.
os.environ.setdefault("KUAI_CACHE_DIR", str(ROOT / ".cache" / "jax"))

# Tests make small programs and run each a few times: compiling fast is what matters.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# A test that fails shows where in Kuai that was.
os.environ.setdefault("KUAI_TRACEBACK", "full")

# JAX keeps millions of objects alive, which the collector would look at again and again.
gc.set_threshold(100_000, 20, 50)

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores; torch would start a thread per core in each of them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def fixed_seeds():
    """Every test starts from the same random state, in whatever order the tests run."""
    numpy.random.seed(0)
    for name in ("torch", "kuai"):
        seed = getattr(sys.modules.get(name), "manual_seed", None)
        if seed is not None:
            seed(0)


@pytest.fixture(autouse=True)
def warnings_come_again(monkeypatch):
    """What warns once in a process does so in every test, whichever tests ran before it."""
    warning_once = sys.modules.get("kuai.engine.tensor.warning_once")
    if warning_once is not None:
        monkeypatch.setattr(warning_once, "_given", set())


@pytest.fixture(autouse=True)
def programs_are_forgotten_between_tests(monkeypatch, request):
    """A test that counts compilations must not count those of programs just forgotten."""
    jax = sys.modules.get("jax")
    if jax is None or request.path.name == "test_executables.py":
        yield
        return
    forget, asked = jax.clear_caches, []
    with monkeypatch.context() as patch:
        patch.setattr(jax, "clear_caches", lambda: asked.append(True))
        yield
    if asked:
        forget()


@pytest.fixture(autouse=True)
def names_of_examples(doctest_namespace):
    """Docstring examples may use `kuai`, `nn` and `F` without importing them."""
    import kuai

    doctest_namespace.update(kuai=kuai, nn=kuai.nn, F=kuai.nn.functional)
