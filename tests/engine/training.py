"""A small network and an ordinary training step of it, for tests of compiled steps."""

import kuai
from kuai import nn


def make_step(inputs, hidden, outputs, lr):
    """A network of two linear layers, and its step."""
    kuai.manual_seed(0)
    net = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))
    optimizer = kuai.optim.SGD(net.parameters(), lr=lr)

    def step(x):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return net, step
