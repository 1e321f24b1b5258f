"""Which rounds of a benchmark count."""

import argparse

from benchmarks import run
from benchmarks.processors import Processors


def _clock(monkeypatch, seconds=10.0, rounds=20):
    now = [0.0]
    monkeypatch.setattr(run.time, "monotonic", lambda: now[0])
    return run._Clock(argparse.Namespace(seconds=seconds, rounds=rounds)), now


def test_rounds_without_processors_are_left_out_and_counted(monkeypatch):
    clock, _ = _clock(monkeypatch)
    assert [clock.takes(share) for share in (1.0, 0.3, 0.9, 0.59)] == [True, False, True, False]
    assert (clock.kept, clock.left_out) == (2, 2)


def test_they_count_where_there_is_no_time_for_better_ones(monkeypatch):
    clock, now = _clock(monkeypatch)
    now[0] = 10.0 * run.MOST_TRIES + 1
    assert clock.takes(0.1)


def test_it_ends_with_enough_rounds_that_count(monkeypatch):
    clock, now = _clock(monkeypatch)
    now[0] = 11.0
    assert not clock.has_ended(99)
    clock.kept = run.FEWEST_ROUNDS
    assert clock.has_ended(0)
    now[0], clock.kept = 1.0, 20
    assert clock.has_ended(0)


def test_a_share_is_a_share_of_the_most():
    processors = Processors()
    assert 0 < processors.share() <= 1
    processors.most *= 10
    assert processors.share() < 0.5
