"""A Ctrl-C between any two lines of a step leaves a network that can be trained further."""

import copy
import linecache
import os
import signal
import sys
import threading

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine.compile import interrupts, signatures
from kuai.engine.compile.interrupts import deferred, finished, unbroken
from kuai.engine.tensor.placeholder import one_at_a_time

ENGINE = "/kuai/engine/"
# as in PyTorch, a mode stays where the end of its block is interrupted before it has begun
ENDS = {("modes.py", "__exit__"), ("compiler.py", "__exit__"), ("recorder.py", "__exit__")}
EVERY = 7  # of the lines that a step runs


class Training:
    """A step, and another one like it that is run eagerly from the same state."""

    def __init__(self, around=lambda step: step):
        self.x, self.y = kuai.randn(6, 8), kuai.randint(0, 4, (6,))
        self.net, self.optimizer = self._made()
        self.call = around(self.step)

    def _made(self):
        net = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 4))
        return net, kuai.optim.Adam(net.parameters(), lr=0.01)

    def step(self):
        return self._step(self.net, self.optimizer)

    def _step(self, net, optimizer):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(self.x), self.y)
        loss.backward()
        optimizer.step()
        return loss.item()

    def goes_on(self) -> None:
        """The next call does what an eager one does with a copy of all that there is now."""
        net, optimizer = self._made()
        net.load_state_dict(self.net.state_dict())
        optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        expected = self._step(net, optimizer)
        assert self.call() == pytest.approx(expected, abs=1e-5)
        for name, value in net.state_dict().items():
            found = self.net.state_dict()[name]
            np.testing.assert_allclose(found.numpy(), value.numpy(), atol=2e-4, err_msg=name)


def _is_end_of_block(frame) -> bool:
    """Whether a `with` may end at a line: the tracer sees it before a lock is unlocked.

    What is raised there leaves the lock locked; a signal is not heard of at that place.
    """
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip()
    return line.startswith(("with ", "return"))


def interrupt(call, number: int) -> bool:
    """Interrupt a call at a line of the engine's; whether it had so many."""
    left = number

    def trace(frame, event, argument):
        nonlocal left
        path, name = os.path.split(frame.f_code.co_filename)
        if ENGINE not in f"{path}/" or (name, frame.f_code.co_name) in ENDS:
            return None
        if event == "line" and not _is_end_of_block(frame):
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def fused(step):
    def call():
        with kuai.fused():
            return step()

    return call


AROUND = {"recorded": kuai.compile, "replayed": kuai.compile, "fused": fused}


@pytest.mark.skipif(
    "KUAI_TEST_FAULTS" not in os.environ,
    reason="a tracer may leave a lock locked, which other tests of the process would wait for",
)
@pytest.mark.parametrize("way", AROUND)
def test_a_step_that_is_interrupted_goes_on(way, monkeypatch):
    monkeypatch.setattr(signatures, "_is_observed", lambda: False)  # it is looked at here
    training = Training(AROUND[way])
    if way == "recorded":
        training.call._replays._pause = float("inf")
    for _ in range(6):
        training.call()
    replayed = training.call.explain().replayed if way != "fused" else 0
    assert bool(replayed) == (way == "replayed")
    number = 0
    while interrupt(training.call, number):
        training.goes_on()
        number += EVERY
    assert number > 10 * EVERY
    assert not one_at_a_time._is_owned()


def test_results_are_put_into_their_places_whatever_comes():
    places, tries = [], []

    def finish(results):
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        places.extend(results)

    with pytest.raises(KeyboardInterrupt):
        unbroken(divmod, (7, 2), finish)
    assert places == [3, 1] and len(tries) == 2


def test_errors_of_the_function_itself_are_raised():
    with pytest.raises(ZeroDivisionError):
        unbroken(divmod, (7, 0), lambda results: None)
    with pytest.raises(ValueError, match="of finish"):
        finished(lambda: (_ for _ in ()).throw(ValueError("of finish")))


@pytest.fixture
def interruptible():
    """Python's own answer to Ctrl-C, which a job in a shell's background does not get."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_is_heard_of_at_the_end():
    before, seen = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), deferred():
        signal.raise_signal(signal.SIGINT)
        seen.append(1)
    assert seen == [1] and signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_nothing_is_deferred():
    seen = []

    def work():
        with interrupts.deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
