"""Programs without end do not use up the process's memory mappings."""

import jax
import pytest

import kuai
from kuai.engine import executables


def test_programs_are_forgotten_before_the_limit(monkeypatch):
    seen = []
    monkeypatch.setattr(jax, "clear_caches", lambda: seen.append(1))
    look = executables._Watch(limit=10)
    for _ in range(2 * executables._EVERY):
        look("/jax/core/compile/backend_compile_duration", 0.1)
    assert len(seen) == 2
    look = executables._Watch(limit=10**9)
    for _ in range(executables._EVERY):
        look("/jax/core/compile/backend_compile_duration", 0.1)
        look("another event", 0.1)
    assert len(seen) == 2


@pytest.mark.parametrize(("seconds", "given_back"), [(0.1, []), (3.0, [0])])
def test_memory_is_given_back_after_a_long_compilation(seconds, given_back, monkeypatch):
    seen, times = [], iter([10.0, 10.0 + seconds])
    monkeypatch.setattr(executables, "_give_back", lambda: seen.append)
    monkeypatch.setattr(executables.time, "perf_counter", lambda: next(times))
    with executables.compiling():
        pass
    assert seen == given_back


def test_a_step_goes_on_after_they_were_forgotten():
    weight = kuai.ones(2, requires_grad=True)

    @kuai.compile
    def step(x):
        weight.grad = None
        (weight * x).sum().backward()
        with kuai.no_grad():
            weight.sub_(weight.grad)

    step(kuai.ones(2))
    jax.clear_caches()
    step(kuai.ones(2))
    assert weight.tolist() == [-1, -1]
