"""Functions of which only the beginning can be proven, and objects among the arguments."""

import functools
import gc
import weakref

import pytest

import kuai
from kuai import nn
from kuai.engine.compile import replays
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.source import tree_of
from kuai.engine.compile.split import Split

GLOBAL = 2


def parts():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return net, kuai.optim.SGD(net.parameters(), lr=0.1)


def logging_step(losses):
    """The usual step, which logs its loss."""
    net, opt = parts()

    @kuai.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        losses.append(loss.item())
        return loss

    return step


def called(step, *arguments, times=30):
    for _ in range(times):
        result = step(*arguments)
    return result


def split_of(function, count):
    return Split(function, tree_of(function.__code__), count)


def both(split, *args, **kwargs):
    return split.rest(*args, **kwargs, **split.keywords(split.beginning(*args, **kwargs)))


def test_a_step_that_counts_is_replayed_up_to_there():
    losses: list[float] = []
    step = logging_step(losses)
    called(step, kuai.ones(4, 3))
    explanation = step.explain()
    assert len(losses) == 30 and losses == sorted(losses, reverse=True)
    assert explanation.calls == 30 and explanation.begun > 20
    assert "the beginning of" in str(explanation) and "from there on" in str(explanation)
    assert "losses.append" in explanation.reason


def test_values_between_which_something_is_computed_are_read_after_the_step():
    net, opt = parts()

    @kuai.compile
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = (out - y).square().mean()
        loss.backward()
        opt.step()
        value = loss.item()
        close = ((out - y).abs() < 1).sum().item()
        return value, close / len(x)

    x, y = kuai.ones(4, 3), kuai.zeros(4, 2)
    losses = [step(x, y)[0] for _ in range(12)]
    explanation = step.explain()
    assert explanation.begun >= 6 and len(explanation.programs) == 2, explanation
    assert losses == sorted(losses, reverse=True) and len(set(losses)) == 12


def test_a_step_is_split_after_an_equal_one_has_gone(monkeypatch):
    # their codes are equal, as those of all steps that one function makes
    monkeypatch.setattr(replays, "at_once", True)
    first, second = logging_step([]), logging_step([])
    called(first, kuai.ones(2, 3), times=2)
    second(kuai.ones(2, 3))
    del first
    gc.collect()
    called(second, kuai.ones(2, 3), times=4)
    assert second.explain().begun == 3


def test_a_beginning_that_is_hardly_anything_stays_where_it_was():
    seen = []

    @kuai.compile
    def step(x):
        double = x * 2
        seen.append(1)
        return double.sum() * 3

    called(step, kuai.ones(3), times=80)
    assert step.parts is None and step.explain().begun == 0
    whole = step.explain().programs[0]
    assert whole.operations == 3 and whole.calls > 60


def test_no_other_program_where_the_record_ends_there_in_any_case():
    losses: list[float] = []
    step = logging_step(losses)
    called(step, kuai.ones(4, 3))
    assert step.explain().begun > 20 and len(step.explain().programs) == 1


def test_what_compiles_slowly_is_not_compiled_again(monkeypatch):
    monkeypatch.setattr("kuai.engine.compile.parts._FAST", 0.0)
    (net, opt), seen = parts(), []

    @kuai.compile
    def step(x):
        opt.zero_grad()
        out = net(x)
        out.square().mean().backward()
        opt.step()
        seen.append(len(seen))
        return (out > 0).sum()

    called(step, kuai.ones(4, 3))
    assert seen == list(range(30)) and step.parts is None
    assert len(step.explain().programs) == 1 and step.explain().calls == 30


def test_a_split_that_does_not_help_is_undone(monkeypatch):
    seen, net = [], parts()[0]

    @kuai.compile
    def step(x):
        loss = net(x).square().mean() + x.sum() * 2 + x.mean()
        seen.append(1)
        loss.backward()  # the beginning would hand on a graph
        return loss

    called(step, kuai.ones(4, 3), times=100)
    assert step.parts is None and len(seen) == 100
    assert step.explain().reason is not None


def test_model_and_optimizer_as_arguments_are_replayed_and_not_kept():
    @kuai.compile
    def step(net, opt, x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    for _ in range(3):
        net, opt = parts()
        called(step, net, opt, kuai.ones(4, 3), times=12)
        gone = [weakref.ref(net), weakref.ref(opt), weakref.ref(net[0].weight)]
        del net, opt
        gc.collect()
        assert [reference() for reference in gone] == [None] * 3
    assert step.explain().replayed > 20 and len(step.explain().programs) == 1
    assert not step.replays.known


def test_a_method_of_many_objects_keeps_none_of_them():
    class Trainer:
        def __init__(self):
            self.net, self.opt = parts()
            self.steps = 0

        @kuai.compile
        def step(self, x):
            self.opt.zero_grad()
            loss = self.net(x).square().mean()
            loss.backward()
            self.opt.step()
            self.steps += 1
            return loss

    for _ in range(3):
        trainer = Trainer()
        called(trainer.step, kuai.ones(4, 3), times=20)
        assert trainer.steps == 20
        gone = weakref.ref(trainer)
        del trainer
        gc.collect()
        assert gone() is None
    assert Trainer.step.explain().begun > 20


def test_objects_made_anew_for_each_call_are_not_proven_again_and_again(monkeypatch):
    class Batch:
        def __init__(self, x):
            self.x = x

    made = []
    keep = replays.Replays.keep
    monkeypatch.setattr(replays.Replays, "keep", lambda *a: made.append(1) or keep(*a))
    step = kuai.compile(lambda batch: batch.x * 2)
    for _ in range(300):
        assert step(Batch(kuai.ones(2))).sum().item() == 4
    assert len(made) < 12


def test_the_two_parts_do_what_the_function_does():
    def function(a, b=1, *, c=GLOBAL):
        if a > 2:
            a = a * 10
        first, *others = a, b, c
        d: int = first + 1
        total = d
        total += GLOBAL
        others.append(total)
        return a, b, c, d, total, others

    for count in range(1, 6):
        split = split_of(function, count)
        for args, kwargs in (((1,), {}), ((3, 4), {"c": 5}), ((7,), {"b": 8})):
            assert both(split, *args, **kwargs) == function(*args, **kwargs)
    assert split.fits()
    function.__defaults__ = (2,)
    assert not split.fits()


def test_lines_and_names_stay():
    def function(x):
        x = x + 1
        raise ValueError(x)

    split = split_of(function, 1)
    with pytest.raises(ValueError, match="3") as caught:
        both(split, 2)
    last = caught.traceback[-1]
    assert last.name == "function" and str(last.path) == __file__
    assert str(last.statement).strip() == "raise ValueError(x)"
    assert split.rest.__qualname__ == function.__qualname__


def noticing():
    cell = 1

    def conditional(x):
        if x:
            y = 1
        return y

    def returns(x):
        if x:
            return 1
        return 2

    def shared(x):
        y = x
        return lambda: y

    def looks(x):
        y = x
        return locals(), y

    def changes(x):
        nonlocal cell
        cell = x
        return cell

    def changes_global(x):
        if x:
            global GLOBAL
        GLOBAL = x
        return GLOBAL

    def variable(*x):
        y = x
        return y

    def deletes(x):
        del x
        return 1

    def imports(x):
        import math as y

        return y

    def comprehension(x):
        y = [x for x in x]
        return y

    def catches(x):
        try:
            y = x
        finally:
            pass
        return y

    def private(x):
        y = x.__secret
        return y

    def uses_later(x):
        y = z  # noqa: F821, F841
        z = x
        return z

    return [each for name, each in locals().items() if callable(each)]


@pytest.mark.parametrize("function", noticing(), ids=lambda f: f.__name__)
def test_what_would_be_noticed_is_refused(function):
    with pytest.raises(Refused):
        split_of(function, 1 if function.__name__ != "changes" else 2)


def test_a_global_variable_is_one_in_both_parts():
    def function(x):
        global GLOBAL
        GLOBAL = x
        y = GLOBAL + 1
        GLOBAL += y
        return GLOBAL

    for count in (2, 3, 4):
        assert both(split_of(function, count), 5) == function(5) == GLOBAL == 11


def test_a_step_that_counts_in_a_global_variable_is_replayed_up_to_there():
    net, opt = parts()

    @kuai.compile
    def step(x):
        global GLOBAL
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()
        GLOBAL += 1

    before = GLOBAL
    called(step, kuai.ones(4, 3))
    assert before + 30 == GLOBAL and step.explain().begun > 20


def test_arguments_that_are_given_beforehand():
    class Trainer:
        def __init__(self):
            self.net, self.opt = parts()
            self.steps = 0

        def step(self, x, y, *, scale):
            self.opt.zero_grad()
            loss = (self.net(x) - y).square().mean() * scale
            loss.backward()
            self.opt.step()
            self.steps += 1
            return loss

    trainer, y = Trainer(), kuai.zeros(4, 2)
    step = kuai.compile(functools.partial(trainer.step, kuai.ones(4, 3), scale=2.0))
    losses = [step(y).item() for _ in range(20)]
    assert step(y, scale=0.0).item() == 0 and trainer.steps == 21
    assert losses == sorted(losses, reverse=True) and step.explain().begun > 10
