"""Optimizers of papers in PyTorch's template: the same steps eagerly, compiled and fused."""

import contextlib
import copy
import functools

import numpy as np
import pytest
import torch

import kuai
from tests.optim.as_people_write_them import optimizers_of

NAMES = list(optimizers_of(kuai))
SHAPES = {"0.weight": (8, 4), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}


def trained(t, name, mode):
    draw = np.random.RandomState(0)
    kind = "float64" if name == "shampoo" else "float32"  # its matrices are nearly singular
    net = t.nn.Sequential(t.nn.Linear(4, 8), t.nn.Tanh(), t.nn.Linear(8, 3))
    net.to(getattr(t, kind))
    start = {key: draw.randn(*shape).astype(kind) for key, shape in SHAPES.items()}
    net.load_state_dict({key: t.tensor(value) for key, value in start.items()})
    x, y = (t.tensor(draw.randn(16, n).astype(kind)) for n in (4, 3))
    optimizer = optimizers_of(t)[name](net.parameters())
    schedule = t.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch)

    def loss_of():
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss

    def step():
        optimizer.zero_grad()
        loss = loss_of()
        if name == "sophia":
            optimizer.update_hessian()
        optimizer.step(*([loss_of] if name == "sam" else []))
        return loss.detach()

    step = kuai.compile(step) if mode == "compiled" else step
    losses = []
    with kuai.fused() if mode == "fused" else contextlib.nullcontext():
        for _ in range(5):
            losses.append(step())
            schedule.step()
    state = copy.deepcopy(optimizer).state_dict()
    again = optimizers_of(t)[name](net.parameters())
    again.load_state_dict(state)
    kept = [v for _, s in sorted(again.state_dict()["state"].items()) for v in s.values()]
    return [*map(float, losses), *map(numbers, net.state_dict().values()), *map(numbers, kept)]


def numbers(value):
    return value.tolist() if hasattr(value, "tolist") else value


@functools.cache
def wanted(name):
    return trained(torch, name, "eager")


@pytest.mark.parametrize("mode", ["eager", "compiled", "fused"])
@pytest.mark.parametrize("name", NAMES)
def test_five_steps(name, mode):
    for ours, theirs in zip(trained(kuai, name, mode), wanted(name), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-5)
