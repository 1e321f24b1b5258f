"""Averages of weights against torch's; swapping what an optimizer steps."""

import numpy as np
import pytest
import torch

import kuai

AVERAGES = {
    "mean": lambda u: {},
    "ema": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9)},
    "ema by one": lambda u: {"avg_fn": u.get_ema_avg_fn(0.8), "use_buffers": True},
    "swa by one": lambda u: {"avg_fn": u.get_swa_avg_fn()},
    "swa by lists": lambda u: {"multi_avg_fn": u.get_swa_multi_avg_fn()},
}
VALUES = np.random.default_rng(0).standard_normal((4, 5, 3)).astype("float32")


def averaged(t, name):
    net = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2))
    with t.no_grad():
        net[0].weight.copy_(t.tensor(VALUES[0, :2]))
        net[0].bias.zero_()
    average = t.optim.swa_utils.AveragedModel(net, **AVERAGES[name](t.optim.swa_utils))
    optimizer = t.optim.SGD(net.parameters(), lr=0.05)
    for values in VALUES:
        optimizer.zero_grad()
        (net(t.tensor(values)) ** 3).sum().backward()
        optimizer.step()
        average.update_parameters(net)
    return {key: value.numpy() for key, value in average.state_dict().items()}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_model(name):
    ours, theirs = averaged(kuai, name), averaged(torch, name)
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype
        np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-4)


def test_update_bn():
    found = []
    for t in (torch, kuai):
        net = t.nn.Sequential(t.nn.BatchNorm1d(3, momentum=0.3), t.nn.Dropout()).eval()
        t.optim.swa_utils.update_bn([(t.tensor(v), 0) for v in VALUES], net)
        assert not net.training and net[0].momentum == 0.3
        found.append([net[0].running_mean.numpy(), net[0].running_var.numpy()])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 4])
def test_swalr(strategy, epochs):
    rates = []
    for t in (torch, kuai):
        params = [{"params": [t.nn.Parameter(t.ones(1))], "lr": lr} for lr in (1.0, 0.3)]
        optimizer = t.optim.SGD(params, lr=0.1)
        scheduler = t.optim.swa_utils.SWALR(optimizer, [0.05, 0.5], epochs, strategy)
        rates.append([])
        for _ in range(7):
            optimizer.step()
            scheduler.step()
            rates[-1].append(scheduler.get_last_lr())
        rates.append(sorted(scheduler.state_dict()))
    np.testing.assert_allclose(rates[2], rates[0], rtol=1e-12)
    assert rates[3] == rates[1]


def test_errors():
    for make in (
        lambda t: t.optim.swa_utils.get_ema_avg_fn(2.0),
        lambda t: t.optim.swa_utils.SWALR(
            t.optim.SGD([t.nn.Parameter(t.ones(1))]), 0.1, anneal_strategy="x"
        ),
        lambda t: t.optim.swa_utils.SWALR(
            t.optim.SGD([t.nn.Parameter(t.ones(1))]), 0.1, anneal_epochs=-1
        ),
    ):
        said = []
        for t in (torch, kuai):
            with pytest.raises(ValueError) as found:
                make(t)
            said.append(str(found.value))
        assert said[0] == said[1]


def test_swapped_in_parameters_and_state():
    found = []
    for t in (torch, kuai):
        own, other = (t.nn.Parameter(t.ones(2)) for _ in range(2))
        optimizer = t.optim.SGD([own], lr=0.5, momentum=0.9)
        own.grad, other.grad = t.ones(2), t.ones(2) * 2
        optimizer.step()
        state = optimizer.state_dict()
        state["param_groups"][0]["lr"] = 0.25
        with t.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other}, state):
            optimizer.step()
        optimizer.step()
        found.append([own.detach().numpy(), other.detach().numpy()])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
