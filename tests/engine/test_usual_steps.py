"""The forms in which people write steps are replayed: what is right says `tests/stories`."""

import contextlib
import copy

import pytest

import kuai
from kuai import nn

functional = nn.functional


def steps(net, opt):
    """Functions of a batch, by their names."""
    other, criterion = copy.deepcopy(net), nn.CrossEntropyLoss()
    context, state = contextlib.nullcontext(), {"calls": 0}

    def descend(loss):
        opt.zero_grad()
        loss.backward()
        opt.step()

    def accuracy(x, y):
        out = net(x)
        loss = criterion(out, y)
        descend(loss)
        correct = (out.argmax(1) == y).sum().item()
        return loss.item(), correct

    def counting(x, y):
        state["calls"] += 1
        loss = criterion(net(x), y)
        descend(loss)
        return loss.item()

    def averaging(x, y):
        loss = criterion(net(x), y)
        descend(loss)
        with kuai.no_grad():
            for old, new in zip(other.parameters(), net.parameters(), strict=True):
                old.lerp_(new, 0.1)
        return loss.detach()

    def clamping(x, y):
        with context:
            loss = criterion(net(x), y)
        opt.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.grad.data.clamp_(-1, 1)
        opt.step()
        return loss.detach()

    def penalty(x, y):
        loss = criterion(net(x), y) + 1e-4 * sum(p.square().sum() for p in net.parameters())
        descend(loss)
        return loss.detach()

    def adversarial(x, y):
        loss = functional.binary_cross_entropy_with_logits(net(x), kuai.ones(x.size(0), 2))
        descend(loss)
        return loss.detach()

    @kuai.no_grad()
    def evaluating(x, y):
        return (net(x).argmax(1) == y).sum().item()

    def predicting(x, y):
        with kuai.inference_mode():
            return net(x).softmax(-1)

    def by_hand(x, y):
        for p in net.parameters():
            p.grad = None
        loss = criterion(net(x), y)
        loss.backward()
        with kuai.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
        return loss.detach()

    found = (accuracy, counting, averaging, clamping, penalty, adversarial, evaluating)
    return {each.__name__: each for each in (*found, predicting, by_hand)}


def network():
    kuai.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return net, kuai.optim.SGD(net.parameters(), lr=0.1)


@pytest.mark.parametrize("name", steps(*network()))
def test_it_is_replayed(name):
    step = kuai.compile(steps(*network())[name])
    x, y = kuai.rand(5, 3), kuai.tensor([0, 1, 1, 0, 1])
    for _ in range(12):
        step(x, y)
    explanation = step.explain()
    assert explanation.replayed >= 5 and len(explanation.programs) <= 2, explanation
    assert explanation.calls == 12
