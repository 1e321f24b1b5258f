"""Learning rate schedulers against torch's, epoch by epoch."""

import json

import numpy as np
import pytest
import torch

import kuai

CASES = {
    "step": lambda s, o: s.StepLR(o, step_size=3, gamma=0.5),
    "multi step": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.5),
    "exponential": lambda s, o: s.ExponentialLR(o, gamma=0.9),
    "constant": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=4),
    "linear": lambda s, o: s.LinearLR(o, start_factor=0.2, end_factor=0.8, total_iters=6),
    "polynomial": lambda s, o: s.PolynomialLR(o, total_iters=7, power=2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, T_max=5, eta_min=0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01),
    "lambda": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (e + 1)]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 + 0.01 * e),
    "one cycle": lambda s, o: s.OneCycleLR(o, max_lr=[0.5, 1.0], total_steps=30),
    "one cycle, three phases": lambda s, o: s.OneCycleLR(
        o, max_lr=0.5, epochs=5, steps_per_epoch=6, three_phase=True, anneal_strategy="linear"
    ),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.1, [0.5, 0.4], step_size_up=3),
    "cyclic, halved": lambda s, o: s.CyclicLR(o, 0.1, 0.5, 2, 5, mode="triangular2"),
    "cyclic, falling": lambda s, o: s.CyclicLR(o, 0.1, 0.5, 2, mode="exp_range", gamma=0.9),
    "cyclic, own scale": lambda s, o: s.CyclicLR(
        o, 0.1, 0.5, 3, scale_fn=lambda x: 1 / (5 ** (x * 0.01)), scale_mode="iterations"
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, total_iters=4), s.ConstantLR(o, 0.5, 2), s.CosineAnnealingLR(o, 6)],
        milestones=[4, 8],
    ),
    "chained": lambda s, o: s.ChainedScheduler([s.LinearLR(o), s.ExponentialLR(o, 0.8)]),
}


def make(t, case, optimizer="SGD", **options):
    groups = [{"params": [t.nn.Parameter(t.ones(1))], "lr": lr} for lr in (0.1, 0.3)]
    options = options or ({"momentum": 0.9} if optimizer == "SGD" else {})
    made = getattr(t.optim, optimizer)(groups, lr=0.1, **options)
    return made, CASES[case](t.optim.lr_scheduler, made)


def rates(optimizer):
    keys = ("lr", "momentum", "betas")
    return [
        number
        for group in optimizer.param_groups
        for key in keys
        if key in group
        for number in np.ravel(group[key])
    ]


def advance(optimizer, scheduler):
    optimizer.step()
    scheduler.step()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_same_rates(case, optimizer):
    theirs, ours = make(torch, case, optimizer), make(kuai, case, optimizer)
    for _ in range(25):
        np.testing.assert_allclose(rates(ours[0]), rates(theirs[0]), rtol=1e-12)
        np.testing.assert_allclose(ours[1].get_last_lr(), theirs[1].get_last_lr(), rtol=1e-12)
        advance(*theirs)
        advance(*ours)


@pytest.mark.parametrize("case", CASES)
def test_state_dict_goes_on_alike(case):
    optimizer, scheduler = make(kuai, case)
    _, reference = make(torch, case)
    for _ in range(3):
        advance(optimizer, scheduler)
    saved = json.loads(json.dumps(scheduler.state_dict()))
    assert sorted(saved) == sorted(reference.state_dict())
    other_optimizer, other = make(kuai, case)
    other_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    for _ in range(8):
        np.testing.assert_array_equal(rates(other_optimizer), rates(optimizer))
        advance(optimizer, scheduler)
        other_optimizer.step()
        other.step()


def test_a_rate_changed_by_hand_is_kept():
    results = []
    for t in (torch, kuai):
        optimizer, scheduler = make(t, "step")
        for _ in range(4):
            optimizer.param_groups[0]["lr"] *= 2
            advance(optimizer, scheduler)
        results.append(rates(optimizer))
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_a_tensor_stays_the_same_tensor():
    rate = kuai.tensor(0.5)
    optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=rate)
    scheduler = kuai.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    advance(optimizer, scheduler)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


def test_plateau():
    losses = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    for options in (
        dict(patience=1),
        dict(patience=1, cooldown=2),
        dict(patience=0, mode="max"),
        dict(patience=1, threshold=0.6, threshold_mode="abs", min_lr=[0.05, 0.01]),
        dict(patience=1, mode="max", threshold_mode="abs"),
    ):
        found = []
        for t in (torch, kuai):
            params = [{"params": [t.nn.Parameter(t.ones(1))]} for _ in range(2)]
            optimizer = t.optim.SGD(params, lr=0.1)
            scheduler = t.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
            lrs = []
            for loss in losses:
                scheduler.step(t.tensor(loss))
                lrs += scheduler.get_last_lr()
            found.append((lrs, scheduler.state_dict()))
        assert found[0] == found[1]


ERRORS = {
    "no optimizer": lambda s, o: s.StepLR(3, 1),
    "constant factor": lambda s, o: s.ConstantLR(o, factor=2),
    "start factor": lambda s, o: s.LinearLR(o, start_factor=0),
    "end factor": lambda s, o: s.LinearLR(o, end_factor=2),
    "functions": lambda s, o: s.LambdaLR(o, [abs, abs]),
    "not a function": lambda s, o: s.MultiplicativeLR(o, 3),
    "period": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=0),
    "multiple": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=1, T_mult=0),
    "no steps": lambda s, o: s.OneCycleLR(o, max_lr=1.0),
    "negative steps": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=-1),
    "part": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=5, pct_start=2.0),
    "strategy": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=5, anneal_strategy="round"),
    "rates": lambda s, o: s.OneCycleLR(o, max_lr=[1.0, 2.0], total_steps=5),
    "factor": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    "mode": lambda s, o: s.ReduceLROnPlateau(o, mode="best"),
    "threshold": lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="best"),
    "least rates": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[1, 2]),
    "no schedulers": lambda s, o: s.SequentialLR(o, [], []),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
    "plateau in sequence": lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
    "no parts": lambda s, o: s.ChainedScheduler([]),
    "resumed without rates": lambda s, o: s.StepLR(o, 1, last_epoch=3),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    def call(t):
        optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=0.1, momentum=0.9)
        ERRORS[case](t.optim.lr_scheduler, optimizer)

    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(kuai)
    assert str(ours.value) == str(theirs.value)


def test_a_step_before_the_optimizers_warns():
    _, scheduler = make(kuai, "step")
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def test_get_lr_outside_a_step_warns():
    _, scheduler = make(kuai, "step")
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()


@pytest.mark.parametrize("case", ["step", "cosine", "linear"])
def test_a_given_epoch_warns_and_takes_the_closed_form(case):
    found = []
    for t in (torch, kuai):
        optimizer, scheduler = make(t, case)
        optimizer.step()
        with pytest.warns(UserWarning, match="The epoch parameter"):
            scheduler.step(4)
        found.append(rates(optimizer))
    np.testing.assert_allclose(*found, rtol=1e-12)
