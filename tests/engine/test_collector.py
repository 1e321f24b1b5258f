"""What a recorded step does about Python's garbage collector."""

import gc
import weakref

import pytest

import kuai
from kuai.engine import collector


@pytest.fixture(autouse=True)
def thresholds():
    before = gc.get_threshold()
    usual = (700, 10, 10)  # PyTorch sets others when it compiles
    gc.set_threshold(*usual)
    yield usual
    gc.set_threshold(*before)


def test_a_step_leaves_the_thresholds_as_they_were(thresholds):
    seen = []

    def step(x, fails=False):
        seen.append(gc.get_threshold()[1])
        if fails:
            raise ValueError("in the middle")
        return x * 2

    compiled = kuai.compile(step)
    compiled(kuai.ones(2))
    with pytest.raises(ValueError, match="in the middle"):
        compiled(kuai.ones(2), fails=True)
    assert seen == [collector._SELDOM] * 2
    assert gc.get_threshold() == thresholds


def test_what_a_step_sets_itself_stays():
    def step(x):
        gc.set_threshold(500, 20, 10)
        return x * 2

    kuai.compile(step)(kuai.ones(2))
    assert gc.get_threshold()[:2] == (500, 20)


def test_a_program_that_looks_seldom_keeps_doing_so():
    gc.set_threshold(700, 1000, 10)
    kuai.compile(lambda x: x * 2)(kuai.ones(2))
    assert gc.get_threshold()[:2] == (700, 1000)


class Cycle:
    def __init__(self):
        self.me, self.kept = self, [[] for _ in range(1000)]


def test_garbage_of_steps_is_found():
    alive = weakref.WeakSet()

    def step(x):
        alive.add(Cycle())
        return x * 2

    compiled = kuai.compile(step)
    for _ in range(100):
        compiled(kuai.ones(2))
    assert len(alive) < 50
    gc.disable()
    try:
        for _ in range(100):
            compiled(kuai.ones(2))
        assert len(alive) >= 100  # the program has switched it off
    finally:
        gc.enable()


def test_a_script_has_its_thresholds_back(thresholds):
    w = kuai.ones(2, requires_grad=True)
    optimizer = kuai.optim.SGD([w], lr=0.1)
    alive, seen = weakref.WeakSet(), []
    with kuai.fused():
        for _ in range(100):
            alive.add(Cycle())
            (w * 2).sum().backward()
            optimizer.step()
            seen.append(gc.get_threshold()[1])
    assert seen == [collector._SELDOM] * 100 and len(alive) < 50
    assert gc.get_threshold() == thresholds


def test_code_without_steps_keeps_its_thresholds(thresholds):
    with kuai.fused():
        (kuai.ones(2) * 2).sum().item()
        assert gc.get_threshold() == thresholds
