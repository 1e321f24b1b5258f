"""Optimizers, step by step, against torch's: every combination of flags."""

import itertools

import numpy as np
import pytest
import torch

import kuai
from tests.compilations import compilations
from tests.optim.both import Both, to_ours, to_theirs

STEPS = 12


def sgd_cases():
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        [0, 0.9], [0, 0.3], [0, 0.1], [False, True], [False, True]
    ):
        if not nesterov or (momentum and not dampening):
            yield (
                "SGD",
                dict(
                    lr=0.1,
                    momentum=momentum,
                    dampening=dampening,
                    weight_decay=decay,
                    nesterov=nesterov,
                    maximize=maximize,
                ),
            )


def adam_cases():
    for name in ("Adam", "AdamW"):
        for decay, amsgrad, maximize in itertools.product([0, 0.1], [False, True], [False, True]):
            yield name, dict(lr=0.05, weight_decay=decay, amsgrad=amsgrad, maximize=maximize)
        yield name, dict(lr=0.05, betas=(0.5, 0.9), eps=1e-3)
    yield "Adam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)


CASES = [*sgd_cases(), *adam_cases()]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options in CASES]


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_same_trajectory_state_and_text(name, options):
    both = Both()
    theirs = getattr(torch.optim, name)(both.theirs, **options)
    ours = getattr(kuai.optim, name)(both.ours, **options)
    for step in range(STEPS):
        both.set_gradients(skip=[1] if step < 2 else [])
        theirs.step()
        ours.step()
        both.assert_same()
    assert repr(ours) == repr(theirs)
    assert_same_state(ours.state_dict(), theirs.state_dict())


def test_switches_for_other_machines_change_nothing():
    found = []
    for switch in ("capturable", "foreach", "fused"):
        both = Both()
        optimizer = kuai.optim.Adam(both.ours, lr=0.05, **{switch: True})
        both.set_gradients()
        optimizer.step()
        found.append([param.detach().numpy() for param in both.ours])
    for values in zip(*found, strict=True):
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])


def assert_same_state(ours, theirs):
    assert ours["param_groups"] == theirs["param_groups"]
    assert sorted(ours["state"]) == sorted(theirs["state"])
    for number, expected in theirs["state"].items():
        found = ours["state"][number]
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert str(found[key].dtype) == str(value.dtype)
            assert tuple(found[key].shape) == tuple(value.shape)
            np.testing.assert_allclose(
                found[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key
            )


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_other_dtypes(name, dtype):
    both = Both(dtype)
    options = {"momentum": 0.9} if name == "SGD" else {"amsgrad": True}
    theirs = getattr(torch.optim, name)(both.theirs, lr=0.05, **options)
    ours = getattr(kuai.optim, name)(both.ours, lr=0.05, **options)
    tolerance = 1e-12 if dtype == "float64" else 3e-6
    for _ in range(STEPS):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same(rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_bfloat16_keeps_its_dtype(name):
    param = kuai.nn.Parameter(kuai.ones(4, dtype=kuai.bfloat16))
    optimizer = getattr(kuai.optim, name)([param], lr=0.5)
    param.grad = kuai.ones(4, dtype=kuai.bfloat16)
    optimizer.step()
    assert param.dtype is kuai.bfloat16
    assert float(param[0]) == pytest.approx(0.5, abs=0.02)


def test_groups_with_options_of_their_own():
    both = Both()

    def groups(params):
        return [{"params": params[:1], "lr": 0.5}, {"params": params[1:], "momentum": 0.5}]

    theirs = torch.optim.SGD(groups(both.theirs), lr=0.1, momentum=0.9)
    ours = kuai.optim.SGD(groups(both.ours), lr=0.1, momentum=0.9)
    for _ in range(STEPS):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same()
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_options_changed_between_steps_compile_nothing(name):
    both = Both()
    options = {"momentum": 0.9} if name == "SGD" else {}
    theirs = getattr(torch.optim, name)(both.theirs, lr=0.1, **options)
    ours = getattr(kuai.optim, name)(both.ours, lr=0.1, **options)
    for step in range(STEPS):
        both.set_gradients()
        for optimizer in (theirs, ours):
            group = optimizer.param_groups[0]
            group["lr"] = 0.1 / (step + 1)
            group["weight_decay"] = 0.01 * step
            if name == "SGD":
                group["momentum"] = 0.9 - 0.01 * step
            else:
                group["betas"] = (0.9 - 0.01 * step, 0.99)
        theirs.step()
        with compilations() as recorded:
            ours.step()
        both.assert_same()
        assert step == 0 or not recorded


def test_learning_rate_as_tensor():
    both = Both()
    theirs = torch.optim.SGD(both.theirs, lr=torch.tensor(0.1))
    ours = kuai.optim.SGD(both.ours, lr=kuai.tensor(0.1))
    for _ in range(3):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_state_dict_goes_to_torch_and_back(name):
    options = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1, "amsgrad": True}
    both = Both()
    theirs = getattr(torch.optim, name)(both.theirs, **options)
    ours = getattr(kuai.optim, name)(both.ours, **options)
    for step in range(STEPS):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same(rtol=1e-5, atol=1e-5)
        if step == 3:  # each goes on with the other's state
            saved = theirs.state_dict(), ours.state_dict()
            theirs = getattr(torch.optim, name)(both.theirs, **options)
            ours = getattr(kuai.optim, name)(both.ours, **options)
            ours.load_state_dict(to_ours(saved[0]))
            theirs.load_state_dict(to_theirs(saved[1]))


def test_differentiable_step_is_recorded():
    results = []
    for t in (torch, kuai):
        w = t.tensor([1.0, 2.0], requires_grad=True)
        rate = t.tensor([3.0, 4.0], requires_grad=True)
        param = w * 1
        param.retain_grad()
        optimizer = t.optim.SGD([param], lr=0.1, differentiable=True)
        param.grad = rate * 2
        optimizer.step()
        (param**2).sum().backward()
        results.append((w.grad.tolist(), rate.grad.tolist()))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
