"""Looking for a value for a moment before sleeping."""

import time

import numpy as np
import pytest

import kuai
from kuai.engine.tensor import waiting


class Computed:
    """Stands for an array that is there when it has been asked for often enough."""

    def __init__(self, times):
        self.left, self.asked = times, 0

    def is_ready(self):
        self.asked += 1
        self.left -= 1
        return self.left < 0


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(waiting, "_looking", waiting._Looking())
    monkeypatch.setattr(waiting.devices, "device_of", lambda array: kuai.device("cpu"))
    monkeypatch.setattr(waiting, "_LONGEST", 0.02)


def test_a_value_is_looked_for_until_it_is_there():
    soon = Computed(5)
    waiting.look_for(soon)
    assert soon.asked == 6


def test_a_value_that_takes_long_is_not_waited_for():
    never = Computed(10**9)
    begin = time.perf_counter()
    waiting.look_for(never)
    assert never.asked > 1 and time.perf_counter() - begin > 0.019


def test_after_looking_in_vain_the_next_ones_sleep_at_once():
    counts = []
    for _ in range(9):
        never = Computed(10**9)
        waiting.look_for(never)
        counts.append(never.asked > 1)
    assert counts == [True, False, True, False, False, True, False, False, False]
    soon = Computed(3)
    waiting._looking.left = 0
    waiting.look_for(soon)
    assert soon.asked == 4 and waiting._looking.skipped == 1


def test_nothing_is_looked_for_on_a_gpu(monkeypatch):
    monkeypatch.setattr(waiting.devices, "device_of", lambda array: kuai.device("cuda"))
    never = Computed(10**9)
    waiting.look_for(never)
    assert never.asked == 1


def test_what_has_a_value_is_left_alone():
    waiting.look_for(np.ones(3))
    assert kuai.ones(3).sum().item() == 3
