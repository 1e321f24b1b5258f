"""LBFGS against torch's, evaluation by evaluation."""

import inspect

import numpy as np
import pytest
import torch

import kuai
from tests.optim.both import Both

FUNCTIONS = {
    "quartic": lambda t, a, b, c: ((a - 1) ** 4).sum() + ((b - a[0, 0]) ** 2).sum() + c**2,
    "wavy": lambda t, a, b, c: (a**2).sum() + t.sin(3 * b).sum() + (c - 2) ** 4,
    "rosenbrock": lambda t, a, b, c: (
        (100 * (b[1:] - b[:-1] ** 2) ** 2 + (1 - b[:-1]) ** 2).sum() + (a * a).sum() + c * c
    ),
}
OPTIONS = [
    dict(lr=0.1),
    dict(lr=0.05, max_iter=5, history_size=2),
    dict(line_search_fn="strong_wolfe"),
    dict(line_search_fn="strong_wolfe", lr=0.3, max_iter=6, max_eval=9, history_size=3),
]


def run(t, params, function, options, steps=1):
    optimizer = t.optim.LBFGS(params, **options)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = function(t, *params)
        loss.backward()
        losses.append(loss.item())
        return loss

    returned = [optimizer.step(closure).item() for _ in range(steps)]
    state = optimizer.state[params[0]]
    return losses, returned, state, optimizer


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("options", OPTIONS)
def test_same_evaluations(name, options):
    both = Both("float64")
    theirs = run(torch, both.theirs, FUNCTIONS[name], options)
    ours = run(kuai, both.ours, FUNCTIONS[name], options)
    assert len(ours[0]) == len(theirs[0])
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-9)
    assert ours[1] == pytest.approx(theirs[1])
    both.assert_same(rtol=1e-5, atol=1e-7)
    for key in ("func_evals", "n_iter"):
        assert ours[2][key] == theirs[2][key]
    assert repr(ours[3]) == repr(theirs[3])


def test_float32_finds_the_minimum():
    both = Both()
    losses, *_ = run(kuai, both.ours, FUNCTIONS["quartic"], dict(line_search_fn="strong_wolfe"), 3)
    assert losses[-1] < 1e-4


def test_complex_parameters():
    values = np.array([1 + 2j, -1 + 0.5j], "complex64")
    found = []
    for t in (torch, kuai):
        param = t.nn.Parameter(t.tensor(values))
        optimizer = t.optim.LBFGS([param], lr=0.2, max_iter=4)

        def closure(t=t, param=param, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((param - 1).abs() ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append(param.detach().numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_state_goes_on():
    both, function = Both("float64"), FUNCTIONS["quartic"]
    *_, first = run(kuai, both.ours, function, dict(lr=0.1, max_iter=3))
    second = kuai.optim.LBFGS(both.ours, lr=0.1, max_iter=3)
    second.load_state_dict(first.state_dict())
    values = []
    for optimizer in (first, second):
        before = [p.detach().clone() for p in both.ours]

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = function(kuai, *both.ours)
            loss.backward()
            return loss

        optimizer.step(closure)
        values.append([p.detach().numpy() for p in both.ours])
        for param, value in zip(both.ours, before, strict=True):
            param.data.copy_(value)
    for found, expected in zip(*values, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_signature_and_errors():
    def described(t):
        parameters = inspect.signature(t.optim.LBFGS).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert described(kuai) == described(torch)
    param = kuai.nn.Parameter(kuai.ones(1))
    with pytest.raises(TypeError, match="closure"):
        kuai.optim.LBFGS([param]).step()
    with pytest.raises(ValueError, match="parameter groups"):
        kuai.optim.LBFGS([{"params": [param]}, {"params": [kuai.nn.Parameter(kuai.ones(1))]}])
    optimizer = kuai.optim.LBFGS([param], line_search_fn="other")

    def closure():
        optimizer.zero_grad()
        loss = (param**2).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(closure)
