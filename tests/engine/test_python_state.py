"""Python state that a compiled function itself changes: rebound tensors, counters, lists."""

import random

import numpy as np
import pytest

import kuai
from kuai import nn
from tests.compilations import compilations


class RunningMean(nn.Module):
    """Batch normalisation as Dive into Deep Learning writes it: its statistics are rebound."""

    def __init__(self, size):
        super().__init__()
        self.gamma = nn.Parameter(kuai.ones(size))
        self.moving_mean = kuai.zeros(size)
        self.register_buffer("moving_var", kuai.ones(size))
        self.last = None

    def forward(self, x):
        mean, var = x.mean(0), x.var(0, correction=0)
        self.moving_mean = (0.9 * self.moving_mean + 0.1 * mean).data
        self.moving_var = (0.9 * self.moving_var + 0.1 * var).data
        self.last = x.detach().amax()
        return self.gamma * (x - mean) / (var + 1e-5).sqrt()


def test_tensors_rebound_by_a_module():
    kuai.manual_seed(0)
    xs = [kuai.randn(8, 3) for _ in range(4)]
    results = []
    for compiled in (False, True):
        block = RunningMean(3)
        optimizer = kuai.optim.SGD(block.parameters(), lr=0.1)

        def step(x, block=block, optimizer=optimizer):
            optimizer.zero_grad()
            block(x).square().sum().backward()
            optimizer.step()

        run = kuai.compile(step, fullgraph=True) if compiled else step
        run(xs[0])
        run(xs[1])
        with compilations() as recorded:
            run(xs[2])
            block.moving_mean = block.moving_mean * 2  # a change between calls
            run(xs[3])
        assert recorded == [] or not compiled
        results.append([block.moving_mean, block.moving_var, block.last, block.gamma])
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5)


def test_a_hidden_state_kept_between_calls():
    cell = nn.GRUCell(2, 3)
    state = {"h": kuai.zeros(1, 3), "all": (kuai.zeros(1), kuai.zeros(2))}

    @kuai.compile
    def advance(x):
        with kuai.no_grad():
            state["h"] = cell(x, state["h"])
            state["all"] = (state["all"][0] + 1, state["all"][1] + 2)
        return state["h"] * 2

    expected = kuai.zeros(1, 3)
    for number in range(4):
        kept = state["h"]
        found = advance(kuai.ones(1, 2) * number)
        with kuai.no_grad():
            expected = cell(kuai.ones(1, 2) * number, expected)
        np.testing.assert_allclose(found.numpy(), 2 * expected.numpy(), rtol=1e-6)
        assert kept is not state["h"]
    assert state["all"][0].tolist() == [4] and state["all"][1].tolist() == [8, 8]
    assert len(advance.programs) == 1


def test_nonlocal_and_global_tensors():
    total = kuai.zeros(())

    @kuai.compile(fullgraph=True)
    def add(x):
        nonlocal total
        total = total + x.sum()
        return total

    assert [add(kuai.ones(2)).item() for _ in range(3)] == [2, 4, 6]
    assert total.item() == 6


def test_an_old_value_that_is_known_by_another_name_stays():
    holder = {"h": kuai.ones(2)}
    other = {"same": holder["h"]}

    @kuai.compile
    def step():
        holder["h"] = holder["h"] + other["same"]
        return holder["h"].sum()

    assert [step().item() for _ in range(3)] == [4, 6, 8]
    assert other["same"].tolist() == [1, 1]


def test_a_counter_is_right():
    counts = {"calls": 0}

    @kuai.compile
    def step(x):
        counts["calls"] += 1
        return x * counts["calls"]

    assert [step(kuai.ones(1)).item() for _ in range(4)] == [1, 2, 3, 4]
    assert counts["calls"] == 4
    assert len(step.programs) == 2  # the number is a constant once, and then an input


def test_what_is_set_up_once_does_no_harm():
    cache = {}

    @kuai.compile
    def step(x):
        if "table" not in cache:
            cache["table"] = 3
        return x * cache["table"]

    step(kuai.ones(1))
    step(kuai.ones(1))
    with compilations() as recorded:
        assert step(kuai.ones(1)).item() == 3
    assert recorded == []


def test_python_runs_once_a_call():
    log = {"calls": 0, "seen": []}
    total = kuai.zeros(1)

    @kuai.compile
    def step(x):
        log["calls"] += 1
        log["seen"].append("x")
        total.add_(x)
        random.random()
        if x.sum() > 1:
            return x
        return -x

    random.seed(0)
    step(kuai.ones(1))
    after = random.random()
    random.seed(0)
    random.random()
    assert random.random() == after
    assert log == {"calls": 1, "seen": ["x"]} and total.item() == 1


@pytest.mark.parametrize("source", ["python", "numpy", "generator"])
def test_random_numbers_of_the_host_do_not_freeze(source):
    generator = np.random.default_rng(0)
    draw = {
        "python": random.random,
        "numpy": np.random.rand,
        "generator": generator.random,
    }[source]

    @kuai.compile
    def noisy(x):
        return x * (generator.random() if source == "generator" else draw())

    values = {noisy(kuai.ones(1, dtype=kuai.float64)).item() for _ in range(4)}
    assert len(values) == 4 and len(noisy.programs) == 2
    whole = kuai.compile(noisy.function, fullgraph=True)
    values |= {whole(kuai.ones(1, dtype=kuai.float64)).item() for _ in range(4)}
    assert len(values) == 8


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_numpy_array_changed_in_place(size):
    table = np.ones(size, np.float32)

    @kuai.compile
    def total(x):
        return x * kuai.tensor(table).sum()

    assert total(kuai.ones(1)).item() == size
    table[1] = 5
    assert total(kuai.ones(1)).item() == size + 4


def test_a_global_named_as_a_method_is_not_a_dependence():
    scope = {"kuai": kuai, "opt": kuai.optim.SGD([kuai.zeros(1, requires_grad=True)]), "step": 0}
    exec("def train(x):\n    opt.step()\n    return x * 2", scope)
    train = kuai.compile(scope["train"], fullgraph=True)
    for number in range(12):
        scope["step"] = number
        train(kuai.ones(1))
    assert len(train.programs) == 1


def test_seeding_between_calls():
    drop = nn.Dropout(0.5)
    step = kuai.compile(lambda x: drop(x), fullgraph=True)
    kuai.manual_seed(3)
    first = step(kuai.ones(64)).tolist()
    step(kuai.ones(64))
    kuai.manual_seed(3)
    assert step(kuai.ones(64)).tolist() == first
    kuai.manual_seed(3)
    assert drop(kuai.ones(64)).tolist() == first
