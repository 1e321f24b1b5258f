"""The forms in which people write steps are replayed: what is right says `tests/stories`."""

import contextlib
import copy

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine.compile import replays

functional = nn.functional


def steps(net, opt):
    """Functions of a batch, by their names."""
    other, criterion = copy.deepcopy(net), nn.CrossEntropyLoss()
    context, state = contextlib.nullcontext(), {"calls": 0}
    mean, table = {"of x": kuai.zeros(3)}, kuai.ones(2)
    metrics = {"loss": kuai.zeros(())}
    averages = {name: p.detach().clone() for name, p in net.named_parameters()}
    momenta = {p: kuai.zeros_like(p) for p in net.parameters()}
    own = Momentum(net.parameters(), lr=0.1)

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

    def returning_twice(x, y):
        out = net(x)
        loss = criterion(out, y)
        descend(loss)
        return {"loss": loss, "log": {"loss": loss, "train": loss.detach(), "out": out.detach()}}

    def keeping_metrics(x, y):
        loss = criterion(net(x), y)
        descend(loss)
        metrics["loss"] = 0.9 * metrics["loss"] + 0.1 * loss.detach()
        return metrics["loss"]

    def averaging_by_name(x, y):
        loss = criterion(net(x), y)
        descend(loss)
        with kuai.no_grad():
            for name, p in net.named_parameters():
                if name in averages:
                    averages[name] = 0.9 * averages[name] + 0.1 * p
        return loss.detach()

    def momentum_by_parameter(x, y):
        net.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        with kuai.no_grad():
            for p in net.parameters():
                momenta[p].mul_(0.9).add_(p.grad)
                p.sub_(momenta[p], alpha=0.1)
        return loss.detach()

    def with_own_optimizer(x, y):
        own.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        own.step()
        return loss.detach()

    def with_gradients_by_hand(x, y):
        loss = criterion(net(x), y)
        parameters = list(net.parameters())
        for p, gradient in zip(parameters, kuai.autograd.grad(loss, parameters), strict=True):
            p.grad = gradient / 2
        opt.step()
        return loss.detach()

    def norm_by_hand(x, y):
        opt.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        squares = sum(p.grad.pow(2).sum() for p in net.parameters() if p.grad is not None)
        opt.step()
        return loss.detach(), squares.sqrt()

    found = (returning_twice, keeping_metrics, averaging_by_name, momentum_by_parameter)
    found += (with_own_optimizer, with_gradients_by_hand, norm_by_hand)
    found += (accuracy, counting, averaging, clamping, penalty, adversarial, evaluating)
    found += (with_penalty_of_gradients, collecting, over_the_length, skipping, running_mean)
    return {each.__name__: each for each in (*found, predicting, by_hand, looking_up)}


class Momentum(kuai.optim.Optimizer):
    """An optimizer as people write them."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @kuai.no_grad()
    def step(self, closure=None):
        """Change the parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["momentum"] = kuai.zeros_like(p)
                state["momentum"].mul_(0.9).add_(p.grad)
                p.add_(state["momentum"], alpha=-group["lr"])


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


def absolute(found, wanted):
    """A loss that is given to a step."""
    return (found - wanted).abs().mean()


def squared(found, wanted):
    """Another one."""
    return (found - wanted).square().mean()


def test_a_function_of_a_module_is_an_argument():
    @kuai.compile
    def step(loss_of, x):
        return loss_of(x * 2, x)

    x, made = kuai.tensor([1.0, -3.0]), lambda found, wanted: found.sum()
    for loss_of, expected in ((absolute, 2.0), (squared, 5.0), (made, -4.0)):
        for _ in range(6):
            assert step(loss_of, x).item() == expected
    assert step.explain().replayed >= 5, step.explain().reason


def test_a_graph_that_is_walked_again_has_the_numbers_of_its_call(monkeypatch):
    """What a replay returns has its graph, below which no tensor was saved."""
    monkeypatch.setattr(replays, "at_once", True)
    weight, numbers = kuai.ones(3, 3, requires_grad=True), {"diagonal": 0, "factor": 2.0}

    @kuai.compile
    def step():
        weight.grad = None
        loss = (weight.tril(numbers["diagonal"]) * numbers["factor"]).sum()
        loss.backward()
        return loss

    for diagonal, factor in [(0, 2.0)] * 3 + [(1, 2.0)] * 3 + [(1, 3.0)] * 3:
        numbers.update(diagonal=diagonal, factor=factor)
        step().backward()
        expected = 2 * factor * kuai.ones(3, 3).tril(diagonal)
        np.testing.assert_array_equal(weight.grad.numpy(), expected.numpy())
    assert step.explain().replayed >= 4
