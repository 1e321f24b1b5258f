"""Replays: which calls skip Python, what prevents it, and that nothing is kept or called for it.

That replayed steps give the right values whatever is changed is for the stories
(`tests/stories/replayed_steps.py`) and for the random changes to say.
"""

import functools
import gc
import types
import weakref

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine.compile import replays
from tests.compilations import compilations


def trained(net, optimizer):
    """The usual step."""

    @kuai.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def networks():
    """Every kind of layer that is common in networks, with an input."""
    conv = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        nn.Flatten(), nn.Linear(18, 2),
    )  # fmt: skip
    encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return {
        "mlp": (nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.LayerNorm(4)), kuai.rand(5, 3)),
        "convolutions": (conv, kuai.rand(2, 1, 8, 8)),
        "lstm": (nn.LSTM(3, 4, batch_first=True), kuai.rand(2, 5, 3)),
        "gru": (nn.GRU(3, 4, 2, bidirectional=True), kuai.rand(2, 5, 3)),
        "embedding": (nn.Embedding(7, 3), kuai.tensor([[1, 2], [3, 6]])),
        "transformer": (nn.TransformerEncoder(encoder, 2), kuai.rand(2, 3, 4)),
    }


@pytest.mark.parametrize("name", networks())
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "NAdam"])
def test_steps_of_common_networks_are_replayed(name, optimizer):
    if optimizer != "Adam" and name not in ("mlp", "lstm"):
        pytest.skip("optimizers are told apart on two networks, networks by one optimizer")
    net, x = networks()[name]
    opt = getattr(kuai.optim, optimizer)(net.parameters(), lr=0.01)

    @kuai.compile
    def step(x):
        opt.zero_grad()
        out = net(x)
        loss = (out[0] if name in ("lstm", "gru") else out).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        return loss.item()

    losses = [step(x) for _ in range(8)]
    explanation = step.explain()
    assert explanation.replayed >= 4, explanation.reason
    assert explanation.calls == 8 and all(np.isfinite(losses))
    assert "replayed" in str(explanation)
    with compilations() as compiled:
        step(x)
    assert not compiled


def test_inference_is_replayed_from_the_fourth_call_on():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    @kuai.compile
    def predict(x):
        with kuai.no_grad():
            return net(x)

    for number in range(6):
        predict(kuai.full((2, 3), float(number)))
    assert predict.replays.calls == 3


#: What a step does, and what is said to prevent a replay.
REASONS = {
    "append": ("seen.append(x)", "append of a list"),
    "print": ("print()", "a call of print"),
    "count": ("counter['n'] += 1", "a change of counter['n']"),
    "iterator": ("x = x + next(stream)", "a call of next"),
    "branch": ("x = x + 1 if x.sum() > 0 else x", "a tensor, where a plain value is needed"),
    "value": ("x = x * x.sum().item()", "a number of a tensor"),
    "array": ("x = x * table", "a ndarray as an argument"),
    "attribute": ("x = x * thing.doubled", "doubled of an Odd, which is computed"),
    "try": (
        "try:\n        x = x * 2\n    except OSError:\n        x = x",
        "an error that is caught",
    ),
    "mask": ("x = x[x > 0]", "a value that is asked for in the middle"),
    "new": ("x = x + kuai.rand(2, generator=dice)", "a Generator as an argument"),
    "kept": ("global kept\n    kept = x * 2", "an assignment to kept"),
}


class Odd:
    """An object with an attribute that is computed."""

    @functools.cached_property
    def doubled(self):
        """A number."""
        return 2.0


@pytest.mark.parametrize("name", REASONS)
def test_reasons_name_the_line_and_the_thing(name, tmp_path):
    code, reason = REASONS[name]
    source = tmp_path / "step.py"
    source.write_text(f"def step(x):\n    {code}\n    return x.sum()\n", "utf-8")
    scope = {
        "kuai": kuai, "seen": [], "counter": {"n": 0}, "stream": iter(range(100)),
        "table": np.ones(2, np.float32), "thing": Odd(), "dice": kuai.Generator(),
    }  # fmt: skip
    exec(compile(source.read_text("utf-8"), str(source), "exec"), scope)
    step = kuai.compile(scope["step"])
    for _ in range(6):
        step(kuai.ones(2))
    assert step.replays.calls == 0
    assert reason in step.explain().reason
    if "in the middle" not in reason:
        assert f"step.py:{2 + code.startswith('try')}" in str(step.explain()) or "\n" in code


def test_what_python_does_happens_at_each_call_while_replays_are_looked_for(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)
    asked = []

    class Nosy:
        def __getattr__(self, name):
            asked.append(name)
            return 2.0

        def __eq__(self, other):
            asked.append("==")
            return True

        __hash__ = None

        def __bool__(self):
            asked.append("bool")
            return True

    thing = Nosy()

    @kuai.compile
    def step(x):
        return x * thing.factor

    for _ in range(5):
        step(kuai.ones(2))
    assert asked == ["factor"] * 5 and step.replays.calls == 0


def test_a_function_whose_file_was_edited_is_not_replayed(tmp_path):
    source = tmp_path / "edited.py"
    source.write_text("def double(x):\n    return x * 2\n", "utf-8")
    scope: dict = {}
    exec(compile(source.read_text("utf-8"), str(source), "exec"), scope)
    source.write_text("def double(x):\n    return x * 3\n", "utf-8")
    double = kuai.compile(scope["double"])
    assert [double(kuai.ones(1)).item() for _ in range(6)] == [2.0] * 6
    assert double.replays.calls == 0 and "source" in double.explain().reason


def test_nothing_is_kept_alive():
    def make():
        net = nn.Linear(3, 2)
        opt = kuai.optim.Adam(net.parameters())
        step = trained(net, opt)
        x, y = kuai.ones(4, 3), kuai.ones(4, 2)
        for _ in range(6):
            loss = step(x, y)
        assert step.replays.calls
        things = [net, opt, x, x._storage, loss, net.weight, net.weight.grad]
        return [weakref.ref(thing) for thing in things]

    references = make()
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


def test_arguments_of_a_call_are_not_kept_for_the_next():
    net = nn.Linear(3, 2)
    step = trained(net, kuai.optim.SGD(net.parameters()))
    references = []
    for _ in range(6):
        x, y = kuai.rand(4, 3), kuai.rand(4, 2)
        step(x, y)
        references.append(weakref.ref(x._storage.held))
    del x, y
    gc.collect()
    assert step.replays.calls and [each() for each in references] == [None] * 6


def test_arrays_that_somebody_holds_stay_as_they_are():
    net = nn.Linear(3, 2)
    opt = kuai.optim.SGD(net.parameters(), lr=0.1)
    step = trained(net, opt)
    x, y = kuai.rand(4, 3), kuai.rand(4, 2)
    for _ in range(6):
        step(x, y)
    array, copy = np.asarray(net.weight.detach()), np.array(net.weight.detach())
    alias = net.weight.data
    jax_array = net.bias.__jax_array__()
    bias = np.array(jax_array)
    for _ in range(3):
        step(x, y)
    np.testing.assert_array_equal(np.asarray(jax_array), bias)
    assert bool((alias == net.weight).all()) and not np.array_equal(alias.numpy(), copy)
    np.testing.assert_array_equal(array, alias)  # it has the parameter's memory


def test_memory_does_not_grow():
    import jax

    net = nn.Sequential(nn.Linear(300, 300), nn.Linear(300, 300))
    opt = kuai.optim.Adam(net.parameters())

    @kuai.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    def held_after(calls):
        for _ in range(calls):
            step(kuai.rand(4, 300))
        gc.collect()
        return sum(array.nbytes for array in jax.live_arrays())

    assert held_after(6) == held_after(6) and step.replays.calls


def test_calls_that_take_turns_are_replayed():
    """Batches of several shapes, or two objects with one compiled method."""

    class Scale:
        def __init__(self, factor):
            self.factor = factor

        @kuai.compile
        def __call__(self, x):
            return x * self.factor

    scales = [Scale(2.0), Scale(3.0)]
    for turn in range(30):
        found = scales[turn % 2](kuai.ones(turn % 3 + 1))
        assert found.tolist() == [2.0 + turn % 2] * (turn % 3 + 1)
    assert Scale.__call__.explain().replayed >= 12


def test_replaying_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("KUAI_REPLAY", "0")
    run = kuai.compile(lambda x: x * 2)
    for _ in range(5):
        run(kuai.ones(2))
    assert run.replays.calls == 0 and "KUAI_REPLAY" in run.explain().reason


def test_a_function_without_a_file_is_recorded():
    function = types.FunctionType((lambda x: x * 2).__code__, {})
    run = kuai.compile(eval("lambda x: x * 2"))
    assert [run(kuai.ones(1)).item() for _ in range(5)] == [2.0] * 5
    assert run.replays.calls == 0
    assert kuai.compile(function)(kuai.ones(1)).item() == 2.0


def test_replays_of_a_step_that_is_shared_by_threads():
    import concurrent.futures

    net = nn.Linear(3, 2)
    total = kuai.zeros(())

    @kuai.compile
    def add(x):
        with kuai.no_grad():
            total.add_(net(x).sum() * 0 + 1)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: add(kuai.ones(2, 3)), range(200)))
    assert total.item() == 200 and add.replays.calls > 100
