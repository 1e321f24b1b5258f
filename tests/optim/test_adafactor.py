"""Adafactor against torch's, step by step."""

import inspect

import numpy as np
import pytest
import torch

import kuai
from tests.optim.both import Both
from tests.optim.test_trajectories import assert_same_state

SHAPES = [(3, 4), (5,), (), (2, 3, 4), (1, 1)]
CASES = [
    dict(),
    dict(lr=0.5, weight_decay=0.1, maximize=True),
    dict(beta2_decay=-0.3, d=1.5, eps=(1e-3, 1e-2)),
]


@pytest.mark.parametrize("options", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trajectory(options, dtype):
    both = Both(dtype, SHAPES)
    theirs = torch.optim.Adafactor(both.theirs, **options)
    ours = kuai.optim.Adafactor(both.ours, **options)
    for step in range(12):
        both.set_gradients(skip=[1] if step < 2 else [])
        theirs.step()
        ours.step()
        both.assert_same(rtol=2e-5, atol=2e-6)
    assert repr(ours) == repr(theirs)
    assert_same_state(ours.state_dict(), theirs.state_dict())


def test_signature():
    def described(t):
        parameters = inspect.signature(t.optim.Adafactor).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert described(kuai) == described(torch)


@pytest.mark.parametrize(
    "options", [dict(lr=-1), dict(beta2_decay=1), dict(eps=(-1, 0)), dict(d=0.5), dict(eps=(1, -1))]
)
def test_errors(options):
    said = []
    for t in (torch, kuai):
        with pytest.raises(ValueError) as found:
            t.optim.Adafactor([t.nn.Parameter(t.ones(1))], **options)
        said.append(str(found.value))
    assert said[0] == said[1]


def test_state_goes_on():
    both = Both(shapes=SHAPES)
    first = kuai.optim.Adafactor(both.ours)
    both.set_gradients()
    first.step()
    second = kuai.optim.Adafactor(both.ours)
    second.load_state_dict(first.state_dict())
    second.step()
    assert second.state[both.ours[0]]["step"].item() == 2
    assert second.state[both.ours[0]]["row_var"].shape == (3, 1)


def test_half_precision_and_compiled():
    param = kuai.nn.Parameter(kuai.ones(2, 2, dtype=kuai.bfloat16))
    optimizer = kuai.optim.Adafactor([param], lr=0.5)

    @kuai.compile
    def step(x):
        optimizer.zero_grad()
        (param @ x).sum().backward()
        optimizer.step()

    for _ in range(2):
        step(kuai.ones(2, 1, dtype=kuai.bfloat16))
    assert param.dtype is kuai.bfloat16
    assert np.isfinite(param.float().detach().numpy()).all() and param[0, 0].item() < 0.7
