"""`step.explain()`: programs, calls, flushes and their lines, and what they cost."""

import pytest

import kuai
from kuai import nn


def test_a_training_step():
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    opt = kuai.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @kuai.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    step(kuai.ones(5, 4))
    step(kuai.ones(3, 4))
    net.eval()
    step(kuai.ones(3, 4))
    step(kuai.ones(3, 4))
    explanation = step.explain()
    assert explanation.calls == 4 and explanation.flushes == [] and not explanation.rests
    first, _, last = explanation.programs
    assert (first.calls, last.calls) == (1, 2)
    assert "float32[5, 4]" in first.inputs and "float32[8, 4]" in first.inputs
    assert first.reused == 8  # parameters and momentum
    assert first.operations > last.operations  # no dropout
    assert first.flops > 2 * 5 * 4 * 8 and first.bytes_accessed > 0
    assert first.memory["arguments"] >= 4 * (4 * 8 + 8 + 8 * 2 + 2)
    text = str(explanation)
    assert "4 calls, 1 replayed, 3 programs" in text and "operations" in text


def test_flushes_and_their_lines():
    @kuai.compile
    def step(x):
        if x.sum() > 0:
            x = x * 2
        return x.sum().item()

    for _ in range(3):
        step(kuai.ones(2))
    explanation = step.explain()
    assert {(what, times) for what, _, times in explanation.flushes} == {
        ("bool()", 3),
        ("item()", 3),
    }
    assert "flushed 3 times for bool() at " in str(explanation)
    assert "if x.sum() > 0" in str(explanation)


def test_a_record_that_changes_at_every_call_rests_and_says_so_once():
    @kuai.compile
    def head(x, size):
        return x[:size].sum()

    x = kuai.arange(64.0)
    with pytest.warns(UserWarning, match="head needed a new program at each of its last 8 calls"):
        for size in range(1, 9):
            assert head(x, size).item() == sum(range(size))
    assert head.explain().rests and "operation by operation" in str(head.explain())
    for size in range(9, 40):
        assert head(x, size).item() == sum(range(size))
    assert len(head.programs) <= 10


def test_numbers_that_change_become_inputs():
    settings = {"scale": 0.0}
    scaled = kuai.compile(lambda x, factor: x * factor + settings["scale"])
    for number in range(12):
        settings["scale"] = float(number)
        assert scaled(kuai.ones(1), number).item() == 2 * number
    assert len(scaled.programs) == 2
