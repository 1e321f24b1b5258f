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
    mean, table = {"of x": kuai.zeros(3)}, kuai.ones(2)

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

    def with_penalty_of_gradients(x, y):
        middle = (x * 0.5).requires_grad_()
        out = net(middle)
        (slope,) = kuai.autograd.grad(out.sum(), middle, create_graph=True)
        loss = criterion(out, y) + ((slope.norm(2, dim=1) - 1) ** 2).mean()
        descend(loss)
        return loss.detach()

    def collecting(x, y):
        outputs, losses = [], {}
        for layer in net:
            x = layer(x)
            outputs.append(x)
        losses["task"] = criterion(x, y)
        losses["size"] = 1e-3 * sum([each.square().mean() for each in outputs])
        descend(losses["task"] + losses["size"])
        return {name: loss.detach() for name, loss in losses.items()}

    def over_the_length(x, y):
        total = kuai.zeros(x.size(0))
        for i in range(x.shape[1]):
            total = kuai.tanh(total + x[:, i])
        return total

    def skipping(x, y):
        for p in net.parameters():
            p.grad = None
        loss = criterion(net(x), y)
        loss.backward()
        with kuai.no_grad():
            for p in net.parameters():
                if p.grad is None or not p.requires_grad:
                    continue
                p.grad += 0.01 * p
                p -= 0.1 * p.grad
        return loss.detach()

    def running_mean(x, y):
        with kuai.no_grad():
            mean["of x"] *= 0.9
            mean["of x"] += 0.1 * x.mean(0)
            return net(x - mean["of x"])

    def looking_up(x, y):
        with kuai.no_grad():
            chosen = net(x)[kuai.arange(len(y)), y]
            return chosen + table[y] + kuai.eye(2)[y, 0]

    found = (accuracy, counting, averaging, clamping, penalty, adversarial, evaluating)
    found += (with_penalty_of_gradients, collecting, over_the_length, skipping, running_mean)
    return {each.__name__: each for each in (*found, predicting, by_hand, looking_up)}


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
