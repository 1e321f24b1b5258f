"""Functions that decide by the values of tensors: always right, in a few programs."""

import numpy as np
import pytest

import kuai
from kuai import nn
from tests.compilations import compilations


def halve(x):
    count = 0
    while x.abs().sum() > 1:
        x = x / 2
        count += 1
    if x.max() > 0.4:
        return x * 10 + count
    return x - count


def test_loops_of_any_length_share_programs():
    compiled = kuai.compile(halve)
    inputs = [kuai.tensor([0.1 * n, 0.3]) for n in (1, 9, 1, 9, 40, 3, 1, 9, 40, 3, 1, 9, 40, 3)]
    expected = [halve(x).tolist() for x in inputs]
    for x, wanted in zip(inputs[:10], expected[:10], strict=True):
        assert compiled(x).tolist() == wanted
    with compilations() as recorded:
        for x, wanted in zip(inputs[10:], expected[10:], strict=True):
            assert compiled(x).tolist() == wanted
    assert recorded == []


def test_an_explanation_names_the_lines():
    compiled = kuai.compile(halve)
    compiled(kuai.ones(2))
    lines = [line for _, line, _ in compiled.explain().flushes]
    assert any("while x.abs().sum() > 1" in line for line in lines)
    assert any("if x.max() > 0.4" in line for line in lines)


def test_a_training_step_with_a_branch():
    results = []
    for compiled in (False, True):
        kuai.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
        optimizer = kuai.optim.Adam(net.parameters(), lr=0.05)

        def step(x, y, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x), y)
            loss.backward()
            if nn.utils.clip_grad_norm_(net.parameters(), 1.0) > 1.0:
                loss = loss * 2
            if loss < 1.5:
                optimizer.step()
            return loss

        run = kuai.compile(step) if compiled else step
        generator = np.random.default_rng(0)
        losses = []
        for _ in range(12):
            x = kuai.tensor(generator.normal(size=(8, 3)).astype("float32"))
            losses.append(run(x, x.sum(1, keepdim=True)).item())
        results.append((losses, [p.tolist() for p in net.state_dict().values()]))
        if compiled:
            assert len(run.programs) <= 6
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-4)
    for ours, theirs in zip(results[1][1], results[0][1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_gradients_go_through_a_branch():
    compiled = kuai.compile(halve)
    for _ in range(3):
        x = kuai.tensor([0.9, 2.0], requires_grad=True)
        compiled(x).sum().backward()
        assert x.grad.tolist() == [2.5, 2.5]


def test_a_branch_that_raises():
    total = kuai.zeros(1)

    @kuai.compile
    def check(x):
        total.add_(x)
        if kuai.isnan(x).any():
            raise ValueError("not a number")
        return x

    for _ in range(3):
        check(kuai.ones(1))
    with pytest.raises(ValueError, match="not a number"):
        check(kuai.tensor([float("nan")]))
    check(kuai.ones(1))
    assert kuai.isnan(total).item()


def test_what_prints_prints_at_every_call(capsys):
    @kuai.compile
    def speak(x):
        if x.sum() > 1:
            print("large")
        return x

    for _ in range(3):
        speak(kuai.ones(2))
    assert capsys.readouterr().out == "large\n" * 3


def test_a_loop_that_gets_longer_at_every_call():
    @kuai.compile
    def count(x):
        number = 0
        while x > number:
            number += 1
        return x * number

    for number in range(14):
        assert count(kuai.tensor(float(number))).item() == number**2
    assert len(count.programs) <= 6


def test_changes_between_calls_are_seen():
    net = nn.Linear(1, 1)
    with kuai.no_grad():
        net.weight.fill_(1)
        net.bias.fill_(0)

    @kuai.compile
    def sign(x):
        return 1 if net(x) > 0 else -1

    for _ in range(3):
        assert (sign(kuai.ones(1)), sign(-kuai.ones(1))) == (1, -1)
    with kuai.no_grad():
        net.weight.fill_(-1)
    assert (sign(kuai.ones(1)), sign(-kuai.ones(1))) == (-1, 1)
    net.register_forward_hook(lambda module, args, out: -out)
    assert (sign(kuai.ones(1)), sign(-kuai.ones(1))) == (1, -1)
