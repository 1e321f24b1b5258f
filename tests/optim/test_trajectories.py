"""Optimizers, step by step, against torch's: every combination of flags."""

import inspect
import itertools

import numpy as np
import pytest
import torch

import kuai
from tests.compilations import compilations
from tests.optim.both import Both, to_ours, to_theirs
from tests.optim.oracle import Oracle

STEPS = 12


def combined(name, **choices):
    """An optimizer with every combination of these values of its options."""
    for values in itertools.product(*choices.values()):
        yield name, dict(zip(choices, values, strict=True))


def sgd_cases():
    choices = dict(momentum=[0, 0.9], dampening=[0, 0.3], nesterov=[False, True])
    for name, options in combined("SGD", lr=[0.1], **choices, **COMMON):
        plain = not options["dampening"] and options["momentum"]
        if plain or not options["nesterov"]:
            yield name, options


COMMON = dict(weight_decay=[0, 0.1], maximize=[False, True])
DECOUPLED = dict(decoupled_weight_decay=[False, True])

CASES = [
    *sgd_cases(),
    *combined("Adam", lr=[0.05], amsgrad=[False, True], **COMMON),
    *combined("AdamW", lr=[0.05], amsgrad=[False, True], **COMMON),
    ("Adam", dict(lr=0.05, betas=(0.5, 0.9), eps=1e-3)),
    ("AdamW", dict(lr=0.05, betas=(0.5, 0.9), eps=1e-3)),
    ("Adam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    *combined("Adagrad", lr_decay=[0, 0.1], initial_accumulator_value=[0, 0.5], **COMMON),
    ("Adagrad", dict(lr=0.5, eps=0.1)),
    *combined("Adadelta", rho=[0.9, 0.5], **COMMON),
    ("Adadelta", dict(lr=0.5, eps=1e-2)),
    *combined("Adamax", lr=[0.05], **COMMON),
    ("Adamax", dict(betas=(0.5, 0.9), eps=1e-2)),
    *combined("NAdam", lr=[0.05], momentum_decay=[4e-3, 0.1], **DECOUPLED, **COMMON),
    ("NAdam", dict(betas=(0.5, 0.9), eps=1e-2)),
    *combined("RAdam", lr=[0.05], **DECOUPLED, **COMMON),
    ("RAdam", dict(betas=(0.5, 0.9), eps=1e-2)),
    *combined("RMSprop", momentum=[0, 0.9], centered=[False, True], **COMMON),
    ("RMSprop", dict(lr=0.05, alpha=0.5, eps=1e-2)),
    *combined("Rprop", lr=[0.01, 0.5], maximize=[False, True]),
    ("Rprop", dict(etas=(0.3, 2.0), step_sizes=(1e-2, 0.1))),
    *combined("ASGD", lr=[0.05], t0=[1e6, 4], **COMMON),
    ("ASGD", dict(lambd=0.1, alpha=0.5)),
]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options in CASES]


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_same_trajectory_state_and_text(name, options):
    both = Both()
    theirs = kind_of(torch, name)(both.theirs, **options)
    ours = kind_of(kuai, name)(both.ours, **options)
    for step in range(STEPS):
        both.set_gradients(skip=[1] if step < 2 else [])
        theirs.step()
        ours.step()
        both.assert_same()
    assert repr(ours) == repr(theirs)
    assert_same_state(ours.state_dict(), theirs.state_dict())


#: Optimizers that PyTorch lacks, written with its operations.
OWN: dict[str, type[Oracle]] = {}


def kind_of(t, name):
    """An optimizer's class; of one that PyTorch lacks the oracle."""
    return OWN[name] if t is torch and name in OWN else getattr(t.optim, name)


SWITCHES = ("capturable", "foreach", "fused")
NAMES = sorted({name for name, _ in CASES})


def options_of(name):
    return inspect.signature(kind_of(torch, name)).parameters


@pytest.mark.parametrize("name", NAMES)
def test_same_signature(name):
    def described(t):
        parameters = inspect.signature(kind_of(t, name)).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert described(kuai) == described(torch)


@pytest.mark.parametrize("name", NAMES)
def test_switches_for_other_machines_change_nothing(name):
    found = []
    for switch in ("maximize", *SWITCHES):
        if switch not in options_of(name):
            continue
        both = Both()
        optimizer = kind_of(kuai, name)(both.ours, lr=0.05, **{switch: switch != "maximize"})
        both.set_gradients()
        optimizer.step()
        found.append([param.detach().numpy() for param in both.ours])
    for others in found[1:]:
        for value, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(value, other)


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


RICHEST = {
    "SGD": dict(momentum=0.9),
    "Adam": dict(amsgrad=True),
    "AdamW": dict(amsgrad=True),
    "Adagrad": dict(lr_decay=0.1, initial_accumulator_value=0.1),
    "NAdam": dict(decoupled_weight_decay=True, weight_decay=0.1),
    "RMSprop": dict(momentum=0.9, centered=True),
    "ASGD": dict(t0=4),
}


def richest(name, t, params, **options):
    """An optimizer with as much state as it can have."""
    return kind_of(t, name)(params, **{"lr": 0.05, **RICHEST.get(name, {}), **options})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_other_dtypes(name, dtype):
    both = Both(dtype)
    theirs = richest(name, torch, both.theirs)
    ours = richest(name, kuai, both.ours)
    tolerance = 1e-12 if dtype == "float64" else 3e-6
    if name == "NAdam":
        tolerance = max(tolerance, 1e-7)  # PyTorch's product of μ is rounded to float32
    for _ in range(STEPS):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same(rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_keeps_its_dtype(name):
    found = []
    for t in (torch, kuai):
        param = t.nn.Parameter(t.ones(4, dtype=t.bfloat16))
        optimizer = kind_of(t, name)([param], lr=0.5)
        param.grad = t.ones(4, dtype=t.bfloat16)
        optimizer.step()
        assert param.dtype is t.bfloat16
        found.append([param[0].item(), [str(s.dtype) for s in optimizer.state[param].values()]])
    assert found[1][0] == pytest.approx(found[0][0], abs=0.01)
    assert found[1][1] == found[0][1]


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


@pytest.mark.parametrize("name", NAMES)
def test_options_changed_between_steps_compile_nothing(name):
    both = Both()
    theirs, ours = richest(name, torch, both.theirs), richest(name, kuai, both.ours)
    numbers = [n for n in getattr(kuai.optim, name).numbers if n != "dampening"]
    for step in range(STEPS):
        both.set_gradients()
        for group in (theirs.param_groups[0], ours.param_groups[0]):
            for option in numbers:
                group[option] = moved(option, group[option])
        theirs.step()
        with compilations() as recorded:
            ours.step()
        both.assert_same(rtol=1e-5, atol=1e-5)
        assert step == 0 or not recorded


def moved(option, value):
    """Another valid value of an option."""
    if option == "weight_decay":
        return value + 0.01
    if isinstance(value, tuple):
        return tuple(moved(option, item) for item in value)
    return value * 0.99 if value != 1e-8 else 2e-8


def test_learning_rate_as_tensor():
    both = Both()
    theirs = torch.optim.SGD(both.theirs, lr=torch.tensor(0.1))
    ours = kuai.optim.SGD(both.ours, lr=kuai.tensor(0.1))
    for _ in range(3):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same()


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_goes_to_torch_and_back(name):
    both = Both()
    theirs, ours = richest(name, torch, both.theirs), richest(name, kuai, both.ours)
    for step in range(STEPS):
        both.set_gradients()
        theirs.step()
        ours.step()
        both.assert_same(rtol=1e-5, atol=1e-5)
        if step == 3:  # each goes on with the other's state
            saved = theirs.state_dict(), ours.state_dict()
            theirs, ours = richest(name, torch, both.theirs), richest(name, kuai, both.ours)
            ours.load_state_dict(to_ours(saved[0]))
            theirs.load_state_dict(to_theirs(saved[1]))


@pytest.mark.parametrize("name", NAMES)
def test_files_of_older_versions(name):
    """Steps were plain numbers, and options have been added since."""
    results = []
    for t in (torch, kuai):
        both = Both()
        optimizer = richest(name, t, both.theirs if t is torch else both.ours)
        both.set_gradients()
        optimizer.step()
        old = optimizer.state_dict()
        old["state"] = {n: older(state) for n, state in old["state"].items()}
        for option in ("foreach", "maximize", "differentiable", "capturable"):
            old["param_groups"][0].pop(option, None)
        optimizer.load_state_dict(old)
        both.set_gradients()
        optimizer.step()
        results.append((both, optimizer.state_dict()))
    (theirs, their_state), (ours, our_state) = results
    for expected, found in zip(theirs.theirs, ours.ours, strict=True):
        np.testing.assert_allclose(
            found.detach().numpy(), expected.detach().numpy(), rtol=2e-6, atol=2e-6
        )
    assert_same_state(our_state, their_state)


def older(state):
    counted = ("step", "mu_product", "eta", "mu")
    return {key: value.item() if key in counted else value for key, value in state.items()}


# PyTorch overwrites what is needed for backward() in the second step of some, and under amsgrad; it
# forgets where SGD's first momentum buffer came from
ONE_STEP_ONLY = {"Adamax", "RMSprop", "Rprop"}
TAPED = {"SGD": dict(momentum=0), **dict.fromkeys(("Adam", "AdamW"), dict(amsgrad=False))}


@pytest.mark.parametrize("name", [n for n in NAMES if "differentiable" in options_of(n)])
def test_differentiable_steps(name):
    results = []
    for t in (torch, kuai):
        w = t.tensor([1.0, 2.0], requires_grad=True)
        rate = t.tensor([3.0, 4.0], requires_grad=True)
        param = w * 1
        param.retain_grad()
        optimizer = richest(name, t, [param], differentiable=True, **TAPED.get(name, {}))
        for factor in (2, 3)[: 1 if name in ONE_STEP_ONLY else 2]:
            param.grad = rate * factor
            optimizer.step()
        (param**2).sum().backward()
        results.append([w.grad.tolist(), rate.grad.tolist()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)


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
