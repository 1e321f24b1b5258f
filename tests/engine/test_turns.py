"""Programs that need much memory are started when the last one has ended."""

import jax
import jax.numpy as jnp
import pytest

import kuai
from kuai.engine.compile import turns


def _heavy(x):
    for _ in range(8):
        x = kuai.sin(x) + kuai.cos(x)
    return x.sum()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="on a CPU")
def test_a_large_program_waits_for_the_last(monkeypatch):
    ready = []
    heavy = kuai.compile(_heavy)
    x = kuai.ones(2**20)
    results = [heavy(x)]

    def ended():
        turns_ended()
        ready.append(results[-1].__jax_array__().is_ready())

    turns_ended = turns.ended
    monkeypatch.setattr(turns, "ended", ended)
    for _ in range(5):
        results.append(heavy(x))
    assert ready == [True] * 5


def test_small_programs_do_not_wait(monkeypatch):
    monkeypatch.setattr(turns, "ended", lambda: pytest.fail("it waits"))
    light = kuai.compile(_heavy)
    light(kuai.ones(4))
    light(kuai.ones(4))


def test_results_that_are_gone_are_not_waited_for():
    array = jnp.ones(3)
    array.delete()
    turns.started(array)
    turns.ended()
    turns.ended()
