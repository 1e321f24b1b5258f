"""What compiled programs and compiling them take: programs, copies, memory, mappings."""

import gc

import jax
import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine import executables
from kuai.engine.compile.free_memory import copied
from tests.compilations import compilations


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


@pytest.mark.parametrize(("least", "given_back"), [(0.0, [0]), (1e9, [])])
def test_memory_is_given_back_after_a_long_compilation(least, given_back, monkeypatch):
    seen = []
    monkeypatch.setattr(executables, "_LONG", least)
    monkeypatch.setattr(executables, "_give_back", lambda: seen.append)
    step = kuai.compile(lambda x: (x * 3).sin())
    for _ in range(3):
        step(kuai.ones(19))
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


def test_the_first_compiled_step_is_one_program():
    net = nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 3))
    optimizer = kuai.optim.AdamW(net.parameters())
    x = kuai.ones(5, 7)

    @kuai.compile
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    with compilations() as compiled:
        step(x)
        step(x)
    assert [name for name in compiled if "copy" in name or "broadcast" in name] == []
    assert len([name for name in compiled if "step" in name]) == 1


def test_copies_are_copies():
    ours = jax.numpy.arange(64.0)
    theirs = np.ones(4096, np.float32)
    for array in (ours, theirs):
        made = copied(array)
        assert isinstance(made, jax.Array)
        assert made.dtype == array.dtype
    made = copied(theirs)
    theirs[:] = 2
    assert float(made.sum()) == 4096
    assert copied(ours).unsafe_buffer_pointer() != ours.unsafe_buffer_pointer()


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_rests_while_a_program_is_made(was_on):
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with executables.compiling():
            assert not gc.isenabled()
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
