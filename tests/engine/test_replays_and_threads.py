"""What one thread notes of a call while another thread does something else."""

import concurrent.futures
import contextlib
import warnings

import pytest

import kuai
from kuai.engine.compile import replays
from kuai.engine.compile.noted_warnings import NotedWarnings
from kuai.engine.compile.program import Program
from kuai.engine.compile.recorder import Recorder


def in_another_thread(function):
    """The result of a function that another thread runs."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@contextlib.contextmanager
def recorded_as_candidate(step, x):
    """A call that is recorded to become a replay, and has not ended yet."""
    candidate = step.replays.candidate((x,), {})
    assert candidate is not None
    with candidate, Recorder(step.records) as recorder:
        recorder.runs = candidate.runs
        candidate.result = step.function(x)
        yield


def test_whoever_notes_warnings_last_leaves_everything_as_it_was():
    original, first, second = warnings.warn, NotedWarnings(), NotedWarnings()
    with concurrent.futures.ThreadPoolExecutor(1) as another:
        first.begin()
        another.submit(second.begin).result()
        assert first.end() is False
        assert another.submit(second.end).result() is False
    assert warnings.warn is original


def test_a_warning_is_noted_by_its_own_thread_and_points_to_its_line():
    noted = NotedWarnings()
    noted.begin()
    with pytest.warns(UserWarning, match="elsewhere") as elsewhere:
        in_another_thread(lambda: warnings.warn("elsewhere", UserWarning, 1))
    assert elsewhere[0].filename == __file__
    assert noted.end() is False
    noted.begin()
    with pytest.warns(UserWarning, match="here") as here:
        warnings.warn("here", stacklevel=1)
    assert here[0].filename == __file__
    assert noted.end() is True


def test_a_call_after_which_somebody_else_warns_may_have_warned(monkeypatch):
    original, noted = warnings.warn, NotedWarnings()
    with monkeypatch.context() as patch:
        noted.begin()
        patch.setattr(warnings, "warn", lambda *args, **kwargs: None)
        assert noted.end() is True
    before = warnings.warn  # the wrapper, which whoever patched has brought back
    noted.begin()
    assert noted.end() is False
    assert warnings.warn is before
    warnings.warn = original


def _drawn():
    return next(iter([kuai.rand(2)]))  # which is recorded: no proof knows iterators


@pytest.mark.parametrize("meanwhile", [lambda: None, kuai.compile(_drawn)])
def test_draws_of_another_thread_are_not_those_of_the_call(meanwhile, monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    kuai.rand(1)  # the first draw of all makes the key
    step = kuai.compile(lambda x: x + kuai.rand(3))
    x = kuai.ones(3)
    with recorded_as_candidate(step, x):
        drawn = in_another_thread(meanwhile)
    assert ("another thread" in str(step.replays.reason)) == (drawn is not None)
    assert (step.replays.reason is None) == (drawn is None)


def test_reads_of_another_thread_are_not_those_of_the_call(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    step, x = kuai.compile(lambda x: x * 2), kuai.ones(3)
    with recorded_as_candidate(step, x):
        assert in_another_thread(x.sum().item) == 3
    assert step.replays.reason is None


def test_a_call_whose_reads_somebody_else_has_noted_is_not_replayed(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    one = kuai.compile(lambda x: x * 2)
    other = kuai.compile(lambda x: x * 3)
    x = kuai.ones(3)
    with recorded_as_candidate(one, x):
        in_another_thread(lambda: other(x))
    assert (one.replays.reason, other.replays.reason) == ("a value that is read", None)


def test_warnings_of_the_compiler_keep_nothing_from_being_replayed(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    called = Program.__call__

    def warn_and_run(program, *given):
        warnings.warn("compiling took long", stacklevel=1)
        return called(program, *given)

    monkeypatch.setattr(Program, "__call__", warn_and_run)
    step = kuai.compile(lambda x: x * 5)
    with pytest.warns(UserWarning, match="took long"):
        step(kuai.ones(3))
    assert step.replays.reason is None and len(step.replays.known) == 1
