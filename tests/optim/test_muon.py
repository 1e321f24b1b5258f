"""Muon against torch's, whose orthogonal factor is in bfloat16 too."""

import inspect

import pytest
import torch

import kuai
from tests.optim.both import Both
from tests.optim.test_trajectories import assert_same_state

CASES = [
    dict(),
    dict(lr=0.02, nesterov=False, weight_decay=0.5),
    dict(lr=0.02, momentum=0.5, adjust_lr_fn="match_rms_adamw"),
    dict(lr=0.02, ns_steps=2, ns_coefficients=(2.0, -1.5, 0.5), adjust_lr_fn="original"),
]


@pytest.mark.parametrize("options", CASES)
def test_trajectory(options):
    both = Both(shapes=[(3, 4), (6, 2), (4, 4)])
    theirs, ours = torch.optim.Muon(both.theirs, **options), kuai.optim.Muon(both.ours, **options)
    for _ in range(10):
        both.set_gradients()
        theirs.step()
        ours.step()
    rate = options.get("lr", 1e-3)
    both.assert_same(rtol=1e-4, atol=0.15 * rate)
    assert repr(ours) == repr(theirs)
    assert_same_state(ours.state_dict(), theirs.state_dict())


def test_a_step_is_nearly_orthogonal():
    both = Both(shapes=[(8, 5)])
    before = both.ours[0].detach().clone()
    both.set_gradients()
    kuai.optim.Muon(both.ours, lr=1.0, weight_decay=0.0, adjust_lr_fn="original").step()
    change = (before - both.ours[0].detach()) / (8 / 5) ** 0.5
    values = kuai.linalg.svdvals(change)
    assert 0.5 < values.min().item() and values.max().item() < 1.5


def test_signature():
    def described(t):
        parameters = inspect.signature(t.optim.Muon).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert described(kuai) == described(torch)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.optim.Muon([t.nn.Parameter(t.ones(1))]),
        lambda t: t.optim.Muon([t.nn.Parameter(t.ones(1, 1))], lr=-1),
        lambda t: t.optim.Muon([t.nn.Parameter(t.ones(1, 1))], adjust_lr_fn="x"),
    ],
)
def test_errors(make):
    said = []
    for t in (torch, kuai):
        with pytest.raises(ValueError) as found:
            make(t)
        said.append(str(found.value))
    assert said[0] == said[1]
