"""What a replay changes itself: schedules of learning rates, and the functions that they call."""

import functools
import math

import pytest

import kuai
from kuai import nn
from kuai.engine.compile import replays
from kuai.engine.compile.arithmetic import watch_arithmetic
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.watch import Watch

schedulers = kuai.optim.lr_scheduler
SCALE, BOX = 0.5, {"scale": 0.5}


def _linear(epoch, *, steps):
    return max(0.0, float(steps - epoch) / float(max(1, steps)))


def _cosine(epoch, steps=20, cycles=0.5):
    "Down to nothing."
    part = epoch / steps
    if part >= 1:
        return 0.0
    part *= 2.0 * cycles
    return 0.5 * (1.0 + math.cos(math.pi * part)) * SCALE


def _of_a_box(epoch):
    return BOX["scale"]


def _that_loops(epoch):
    while epoch > 2:
        epoch /= 2
    return epoch


def _that_prints(epoch):
    print(epoch)
    return 1.0


def _with_a_function_inside(epoch):
    return (lambda: epoch)()


def round(number):
    return number


def _with_a_name_of_pythons(epoch):
    return round(epoch)


@pytest.mark.parametrize("function", [_linear, _cosine, functools.partial(_linear, steps=3)])
def test_arithmetic(function):
    watch = Watch()
    watch_arithmetic(watch, function)
    watch.freeze()
    assert watch.holds()


REFUSED = [_of_a_box, _that_loops, _that_prints, _with_a_function_inside, _with_a_name_of_pythons]
REFUSED += [math.cos, functools.partial(_linear, steps=[3]), BOX.get]


@pytest.mark.parametrize("function", REFUSED)
def test_more_than_arithmetic(function):
    with pytest.raises(Refused):
        watch_arithmetic(Watch(), function)


def _step(make):
    net = nn.Linear(4, 3)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    schedule = make(optimizer)

    def step(x):
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return loss.item()

    return kuai.compile(step)


@pytest.mark.parametrize(
    "make",
    [
        lambda opt: schedulers.CosineAnnealingLR(opt, 30),
        lambda opt: schedulers.LambdaLR(opt, functools.partial(_linear, steps=30)),
        lambda opt: schedulers.OneCycleLR(opt, 0.1, total_steps=40, cycle_momentum=False),
        lambda opt: schedulers.ChainedScheduler([schedulers.LambdaLR(opt, _cosine)]),
    ],
    ids=["cosine", "function", "one cycle", "chained"],
)
def test_a_step_with_a_schedule_is_replayed_whole(make, monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    step = _step(make)
    for _ in range(8):
        step(kuai.ones(2, 4))
    assert step.replays.calls >= 6 and len(step.programs) == 1


def test_all_is_as_it_was_where_a_schedule_raises(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    make = lambda opt: schedulers.OneCycleLR(opt, 0.1, total_steps=6, cycle_momentum=False)  # noqa: E731
    step = _step(make)
    for _ in range(6):
        step(kuai.ones(2, 4))
    for _ in range(2):
        with pytest.raises(ValueError, match="Tried to step"):
            step(kuai.ones(2, 4))
