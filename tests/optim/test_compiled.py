"""Optimizers inside a compiled step: the same numbers, one program, nothing stale."""

import numpy as np
import pytest

import kuai
from tests.compilations import compilations


def make(name, **options):
    kuai.manual_seed(0)
    model = kuai.nn.Sequential(kuai.nn.Linear(4, 8), kuai.nn.Tanh(), kuai.nn.Linear(8, 3))
    optimizer = getattr(kuai.optim, name)(model.parameters(), **options)
    generator = np.random.default_rng(0)
    x = kuai.tensor(generator.standard_normal((6, 4)).astype("float32"))
    y = kuai.tensor(generator.integers(0, 3, 6))

    def step():
        optimizer.zero_grad()
        loss = kuai.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def weights(model):
    return [param.detach().numpy().copy() for param in model.parameters()]


CASES = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.01)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("Adam", dict(lr=0.01, amsgrad=True)),
    ("AdamW", dict(lr=0.01)),
    ("Adagrad", dict(lr=0.01)),
    ("NAdam", dict(lr=0.01)),
    ("RAdam", dict(lr=0.01)),
    ("RMSprop", dict(lr=0.01, momentum=0.9, centered=True)),
    ("Rprop", dict(lr=0.01)),
    ("ASGD", dict(lr=0.1, t0=2)),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_compiled_step_equals_eager(name, options):
    eager_model, eager_optimizer, eager_step = make(name, **options)
    model, optimizer, step = make(name, **options)
    compiled = kuai.compile(step, fullgraph=True)
    for number in range(6):
        expected = eager_step()
        with compilations() as recorded:
            found = compiled()
        assert not recorded or number == 0, recorded
        np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-5)
    for ours, theirs in zip(weights(model), weights(eager_model), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert list(optimizer.state_dict()["state"]) == list(eager_optimizer.state_dict()["state"])


def test_numbers_change_without_a_new_program():
    model, optimizer, step = make("SGD", lr=0.1, momentum=0.9)
    compiled = kuai.compile(step, fullgraph=True)
    compiled()
    before = weights(model)
    optimizer.param_groups[0]["lr"] = 0.0
    with compilations() as recorded:
        compiled()
    assert not recorded
    for ours, theirs in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_betas_change_without_a_new_program():
    eager_model, eager_optimizer, eager_step = make("Adam", lr=0.01)
    model, optimizer, step = make("Adam", lr=0.01)
    compiled = kuai.compile(step, fullgraph=True)
    for number in range(4):
        for each in (eager_optimizer, optimizer):
            each.param_groups[0]["betas"] = (0.9 - 0.1 * number, 0.99)
        eager_step()
        with compilations() as recorded:
            compiled()
        assert not recorded or number == 0
    for ours, theirs in zip(weights(model), weights(eager_model), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_switch_changes_the_program():
    eager_model, eager_optimizer, eager_step = make("SGD", lr=0.1)
    model, optimizer, step = make("SGD", lr=0.1)
    compiled = kuai.compile(step, fullgraph=True)
    for number in range(4):
        for each in (eager_optimizer, optimizer):
            each.param_groups[0]["maximize"] = number == 2
            each.param_groups[0]["momentum"] = 0.5 if number > 2 else 0
        eager_step()
        compiled()
    for ours, theirs in zip(weights(model), weights(eager_model), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_loaded_state_is_used():
    model, optimizer, step = make("Adam", lr=0.01)
    compiled = kuai.compile(step, fullgraph=True)
    for _ in range(3):
        compiled()
    saved_weights, saved_state = model.state_dict(), optimizer.state_dict()
    saved_weights = {name: value.clone() for name, value in saved_weights.items()}
    saved_state = {
        "param_groups": saved_state["param_groups"],
        "state": {
            number: {key: value.clone() for key, value in state.items()}
            for number, state in saved_state["state"].items()
        },
    }
    expected = [compiled().item() for _ in range(3)]
    model.load_state_dict(saved_weights)
    optimizer.load_state_dict(saved_state)
    assert [compiled().item() for _ in range(3)] == pytest.approx(expected, rel=1e-6)


def test_an_added_group_is_seen():
    model, optimizer, step = make("SGD", lr=0.1)
    optimizer.param_groups[0]["params"] = list(model[0].parameters())
    compiled = kuai.compile(step, fullgraph=True)
    compiled()
    last = model[2].weight.detach().numpy().copy()
    compiled()
    np.testing.assert_array_equal(model[2].weight.detach().numpy(), last)
    optimizer.add_param_group({"params": list(model[2].parameters())})
    compiled()
    assert (model[2].weight.detach().numpy() != last).any()


SCHEDULERS = {
    "ExponentialLR": dict(gamma=0.5),
    "StepLR": dict(step_size=2),
    "CosineAnnealingLR": dict(T_max=5),
    "CosineAnnealingWarmRestarts": dict(T_0=2),
    "OneCycleLR": dict(max_lr=0.5, total_steps=10),
    "ReduceLROnPlateau": dict(patience=0, factor=0.5),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_steps_inside_the_program(name):
    rates = []
    for compiled in (False, True):
        model, optimizer, step = make("SGD", lr=0.1, momentum=0.9)
        scheduler = getattr(kuai.optim.lr_scheduler, name)(optimizer, **SCHEDULERS[name])

        def both(step=step, scheduler=scheduler):
            loss = step()
            scheduler.step(*[loss + 1] * (name == "ReduceLROnPlateau"))

        run = kuai.compile(both, fullgraph=True) if compiled else both
        run()
        with compilations() as recorded:
            for _ in range(5):
                run()
        assert not (compiled and recorded)
        rates.append((optimizer.param_groups[0]["lr"], scheduler.last_epoch, weights(model)))
    assert rates[0][:2] == rates[1][:2]
    for ours, theirs in zip(rates[1][2], rates[0][2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_rate_used_after_the_scheduler_has_changed_it():
    model, optimizer, step = make("SGD", lr=0.1)
    scheduler = kuai.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    @kuai.compile
    def twice():
        step()
        scheduler.step()
        step()

    twice()
    twice()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.025)


def test_the_last_rate_is_guarded():
    model, optimizer, step = make("SGD", lr=0.1)
    scheduler = kuai.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    @kuai.compile
    def scaled(x):
        return x * scheduler.get_last_lr()[0] + scheduler.last_epoch

    assert scaled(kuai.ones(1)).item() == pytest.approx(0.1)
    optimizer.step()
    scheduler.step()
    assert scaled(kuai.ones(1)).item() == pytest.approx(1.05)


class Descent(kuai.optim.Optimizer):
    """A user's own optimizer."""

    @kuai.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                param.sub_(group["lr"] * param.grad)


def test_a_users_own_optimizer_sees_its_rate():
    results = []
    for compiled in (False, True):
        model, _, _ = make("SGD", lr=0.1)
        optimizer = Descent(model.parameters(), {"lr": 0.5})

        def step(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            model(kuai.ones(2, 4)).square().mean().backward()
            optimizer.step()

        run = kuai.compile(step, fullgraph=True) if compiled else step
        for rate in (0.5, 0.5, 0.1):
            optimizer.param_groups[0]["lr"] = rate
            run()
        results.append(weights(model))
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_rate_written_inside_the_step_is_never_stale():
    model, optimizer, step = make("SGD", lr=0.1)

    @kuai.compile
    def decaying():
        step()
        optimizer.param_groups[0]["lr"] *= 0.5

    for _ in range(4):
        decaying()
    assert len(decaying.programs) == 1
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 16)
