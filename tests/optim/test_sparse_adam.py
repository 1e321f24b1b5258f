"""SparseAdam against torch's, whose gradients are sparse: a step of a table uses a few rows."""

import inspect

import numpy as np
import pytest
import torch

import kuai

START = np.random.default_rng(0).standard_normal((6, 3)).astype("float32")
ROWS = [[0, 2, 2], [5], [0, 1, 3], [2, 4, 4, 4]]


def trajectory(t, **options):
    weight = t.nn.Parameter(t.tensor(START))
    optimizer = t.optim.SparseAdam([weight], **options)
    scale = t.arange(1.0, 4.0)
    for rows in ROWS * 3:
        optimizer.zero_grad()
        sparse = {"sparse": True} if t is torch else {}
        found = t.nn.functional.embedding(t.tensor(rows), weight, **sparse)
        (found * found * scale).sum().backward()
        optimizer.step()
    state = optimizer.state[weight]
    return [weight.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()]


@pytest.mark.parametrize(
    "options", [dict(lr=0.1), dict(lr=0.05, betas=(0.5, 0.9), eps=1e-3, maximize=True)]
)
def test_trajectory(options):
    for found, expected in zip(
        trajectory(kuai, **options), trajectory(torch, **options), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_unused_rows_stay_as_they_are():
    weight = kuai.nn.Parameter(kuai.tensor(START))
    optimizer = kuai.optim.SparseAdam([weight], lr=0.1)
    weight[1].sum().backward()
    optimizer.step()
    kept = [0, 2, 3, 4, 5]
    np.testing.assert_array_equal(weight.detach().numpy()[kept], START[kept])


def test_a_number_and_errors():
    weight = kuai.nn.Parameter(kuai.tensor(1.0))
    optimizer = kuai.optim.SparseAdam([weight], lr=0.1)
    (weight * 2).backward()
    optimizer.step()
    assert weight.item() == pytest.approx(0.9)
    for options in (dict(lr=0.0), dict(eps=0.0), dict(betas=(1.0, 0.5))):
        said = []
        for t in (torch, kuai):
            with pytest.raises(ValueError) as found:
                t.optim.SparseAdam([t.nn.Parameter(t.ones(1))], **options)
            said.append(str(found.value))
        assert said[0] == said[1]


def test_signature():
    def described(t):
        parameters = inspect.signature(t.optim.SparseAdam).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert described(kuai) == described(torch)
