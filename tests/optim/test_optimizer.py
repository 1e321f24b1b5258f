"""What all optimizers share: groups, errors, hooks, saving, copies."""

import copy
import importlib
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import kuai
from tests.compilations import compilations
from tests.optim.both import Both

# `torch.optim` hides its own submodule of this name
torch_module = importlib.import_module("torch.optim.optimizer")
kuai_module = importlib.import_module("kuai.optim.optimizer")

BAD_ARGUMENTS = [
    ("SGD", dict(lr=-1.0)),
    ("SGD", dict(momentum=-1.0)),
    ("SGD", dict(weight_decay=-1.0)),
    ("SGD", dict(nesterov=True)),
    ("SGD", dict(nesterov=True, momentum=0.9, dampening=0.1)),
    ("SGD", dict(fused=True, foreach=True)),
    ("Adam", dict(lr=-1.0)),
    ("Adam", dict(eps=-1.0)),
    ("Adam", dict(betas=(1.0, 0.9))),
    ("Adam", dict(betas=(0.9, -0.1))),
    ("Adam", dict(betas=(0, 0.9))),
    ("Adam", dict(weight_decay=-1)),
    ("AdamW", dict(lr=-1)),
    ("Adagrad", dict(lr_decay=-1)),
    ("Adagrad", dict(initial_accumulator_value=-1.0)),
    ("Adagrad", dict(eps=-1.0)),
    ("Adagrad", dict(fused=True, differentiable=True)),
    ("Adadelta", dict(rho=1.5)),
    ("Adadelta", dict(eps=-1e-6)),
    ("Adamax", dict(betas=(0.9, 1.0))),
    ("Adamax", dict(lr=-0.1)),
    ("NAdam", dict(momentum_decay=-1.0)),
    ("NAdam", dict(betas=(-0.1, 0.9))),
    ("RAdam", dict(weight_decay=-1.0)),
    ("RMSprop", dict(momentum=-1.0)),
    ("RMSprop", dict(alpha=-1.0)),
    ("Rprop", dict(etas=(1.0, 1.2))),
    ("ASGD", dict(weight_decay=-1.0)),
    ("ASGD", dict(lr=-1.0)),
]


@pytest.mark.parametrize(("name", "options"), BAD_ARGUMENTS)
def test_bad_arguments(name, options):
    assert_same_error(lambda t: getattr(t.optim, name)([t.nn.Parameter(t.ones(1))], **options))


def assert_same_error(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(kuai)
    assert str(ours.value) == str(theirs.value)


def parameter(t):
    return t.nn.Parameter(t.ones(2))


BAD_PARAMETERS = {
    "a tensor": lambda t: parameter(t),
    "nothing": lambda t: [],
    "not tensors": lambda t: [1],
    "a set": lambda t: [{"params": {parameter(t)}}],
    "not a leaf": lambda t: [parameter(t) * 2],
    "a dict among tensors": lambda t: [{"params": [parameter(t)]}, parameter(t)],
    "half with names": lambda t: [("a", parameter(t)), parameter(t)],
    "groups with and without names": lambda t: [
        {"params": [("a", parameter(t))]},
        {"params": [parameter(t)]},
    ],
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters(case):
    def call(t):
        t.optim.SGD(BAD_PARAMETERS[case](t), lr=0.1)

    if case == "a dict among tensors":
        with pytest.raises(TypeError, match="param_group must be a dict"):
            call(kuai)
    else:
        assert_same_error(call)


def test_a_parameter_in_two_groups():
    def call(t):
        param = parameter(t)
        t.optim.SGD([{"params": [param]}, {"params": [param]}], lr=0.1)

    assert_same_error(call)


def test_a_parameter_twice_in_a_group():
    param = parameter(kuai)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        kuai.optim.SGD([param, param], lr=0.1)


def test_a_required_option():
    required = kuai_module.required

    class Simple(kuai.optim.Optimizer):
        pass

    with pytest.raises(ValueError, match="didn't specify a value of required optimization"):
        Simple([parameter(kuai)], {"lr": required})
    assert repr(required) == repr(torch_module.required)


def test_loading_another_layout():
    def call(t, count):
        source = t.optim.SGD([parameter(t)], lr=0.1)
        groups = [{"params": [parameter(t) for _ in range(count)]} for _ in range(3 - count)]
        t.optim.SGD(groups, lr=0.1).load_state_dict(source.state_dict())

    assert_same_error(lambda t: call(t, 1))
    assert_same_error(lambda t: call(t, 2))


def test_names_are_saved():
    def call(t):
        layer = t.nn.Linear(2, 2)
        return t.optim.SGD(layer.named_parameters(), lr=0.1).state_dict()

    assert call(kuai) == call(torch)


def test_zero_grad():
    param = parameter(kuai)
    optimizer = kuai.optim.SGD([param], lr=0.1)
    param.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert param.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert param.grad is None


def test_zero_grad_keeps_the_gradient_itself():
    for t in (torch, kuai):
        leaf, made = parameter(t), parameter(t)
        optimizer = t.optim.SGD([leaf, made], lr=0.1)
        leaf.grad = t.ones(2, requires_grad=True)
        made.grad = t.ones(2, requires_grad=True) * 2
        kept = leaf.grad, made.grad
        optimizer.zero_grad(set_to_none=False)
        assert (leaf.grad is kept[0], made.grad is kept[1]) == (True, True)
        for grad in kept:
            assert grad.tolist() == [0.0, 0.0]
            assert (grad.requires_grad, grad.grad_fn, grad.is_leaf) == (False, None, True)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_closure(name):
    param = parameter(kuai)
    optimizer = getattr(kuai.optim, name)([param], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with kuai.no_grad():
        losses = [optimizer.step(closure).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == 2.0


def test_step_hooks():
    for t, module in ((torch, torch_module), (kuai, kuai_module)):
        param = parameter(t)
        optimizer = t.optim.SGD([param], lr=0.1)
        param.grad = t.ones(2)
        calls = []

        def note(what, calls=calls):
            return lambda optimizer, args, kwargs: calls.append((what, len(args), kwargs))

        handles = [
            optimizer.register_step_pre_hook(note("before")),
            optimizer.register_step_post_hook(note("after")),
            module.register_optimizer_step_pre_hook(note("before all")),
            module.register_optimizer_step_post_hook(note("after all")),
        ]
        optimizer.step()
        for handle in handles:
            handle.remove()
        optimizer.step()
        names = ["before all", "before", "after", "after all"]
        assert calls == [(name, 1, {}) for name in names]


def test_a_pre_hook_may_replace_the_arguments():
    param = parameter(kuai)
    optimizer = kuai.optim.SGD([param], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 7}))
    assert optimizer.step() == 7
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()


def test_hooks_run_once_when_step_calls_super():
    class Loud(kuai.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    optimizer = Loud([parameter(kuai)], lr=0.1)
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    optimizer.step()
    assert calls == [1]

    class Louder(Loud):
        pass

    optimizer = Louder([parameter(kuai)], lr=0.1)
    optimizer.register_step_post_hook(lambda *args: calls.append(2))
    optimizer.step()
    assert calls == [1, 2]


def test_state_dict_hooks():
    def run(t):
        optimizer = t.optim.SGD([parameter(t)], lr=0.1)
        order = []
        optimizer.register_state_dict_pre_hook(lambda o: order.append("pre"))
        optimizer.register_state_dict_pre_hook(lambda o: order.append("first"), prepend=True)
        optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
        saved = optimizer.state_dict()
        assert saved["extra"] == 1
        optimizer.register_load_state_dict_pre_hook(lambda o, d: order.append("load"))
        optimizer.register_load_state_dict_post_hook(lambda o: order.append("loaded"))
        optimizer.load_state_dict(saved)
        assert order == ["first", "pre", "load", "loaded"]

    run(torch)
    run(kuai)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_alike(name, copier):
    both = Both()
    options = {"momentum": 0.9, "dampening": 0.5} if name == "SGD" else {}
    optimizer = getattr(kuai.optim, name)(both.ours, lr=0.1, **options)
    both.set_gradients()
    optimizer.step()
    other = copier(optimizer)
    both.set_gradients()
    for copied, param in zip(other.param_groups[0]["params"], both.ours, strict=True):
        assert copied is not param
        copied.grad = param.grad
    optimizer.step()
    other.step()
    for copied, param in zip(other.param_groups[0]["params"], both.ours, strict=True):
        np.testing.assert_array_equal(copied.detach().numpy(), param.detach().numpy())


def test_loaded_state_is_not_shared():
    both = Both()
    optimizer = kuai.optim.Adam(both.ours, lr=0.1)
    both.set_gradients()
    optimizer.step()
    saved = optimizer.state_dict()
    other = kuai.optim.Adam(both.ours, lr=0.1)
    other.load_state_dict(saved)
    other.step()
    assert saved["state"][0]["step"].item() == 1.0
    assert other.state_dict()["state"][0]["step"].item() == 2.0


def test_step_of_the_base_class():
    assert_same_error_type = pytest.raises(NotImplementedError)
    with assert_same_error_type:
        kuai.optim.Optimizer([parameter(kuai)], {}).step()


class Lion(kuai.optim.FunctionalOptimizer):
    """A user's own formula."""

    numbers = ("lr", "betas")
    switches = ("averages",)

    def __init__(self, params, lr=0.1, betas=(0.9, 0.99), averages=False):
        super().__init__(params, {"lr": lr, "betas": betas, "averages": averages})

    @staticmethod
    def init_state(parameter, options):
        state = {"mean": np.zeros_like(parameter)}
        return {**state, "count": 0} if options.averages else state

    @staticmethod
    def update(parameter, gradient, state, options):
        blend, decay = options.betas
        sign = jnp.sign(blend * state["mean"] + (1 - blend) * gradient)
        new = {"mean": decay * state["mean"] + (1 - decay) * gradient}
        if options.averages:
            new["count"] = state["count"] + 1
            sign = sign / new["count"]
        return parameter - options.lr * sign, new


@pytest.mark.parametrize("averages", [False, True])
def test_an_optimizer_is_its_formula(averages):
    param = kuai.nn.Parameter(kuai.tensor([1.0, 2.0]))
    optimizer = Lion([param], averages=averages)
    step = kuai.compile(optimizer.step)
    for number in range(3):
        optimizer.param_groups[0]["lr"] = 0.1 * (number + 1)
        param.grad = kuai.tensor([1.0, -3.0])
        with compilations() as recorded:
            step()
        assert number == 0 or not recorded
    way = 0.1 + 0.2 / 2 + 0.3 / 3 if averages else 0.6
    assert param.tolist() == pytest.approx([1 - way, 2 + way])
    assert list(optimizer.state[param]) == ["mean", "count"][: 1 + averages]
    assert optimizer.state[param]["mean"].tolist() == pytest.approx([0.029701, -0.089103])
    other = Lion([param], averages=averages)
    other.load_state_dict(optimizer.state_dict())
    assert other.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


class Traced(kuai.optim.FunctionalOptimizer):
    """Notes for which shapes its formula is traced."""

    numbers = ("lr",)
    shapes: list = []

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @staticmethod
    def update(parameter, gradient, state, options):
        Traced.shapes.append(parameter.shape)
        return parameter - options.lr * gradient, {}


def test_a_formula_is_traced_once_for_all_parameters_of_a_shape():
    params = [kuai.nn.Parameter(kuai.ones(*shape)) for shape in [(3, 2), (3,)] * 6]
    optimizer = Traced(params)

    @kuai.compile
    def step():
        optimizer.zero_grad()
        kuai.stack([(i + 1) * p.sum() for i, p in enumerate(params)]).sum().backward()
        optimizer.step()

    step()
    step()
    assert sorted(Traced.shapes) == [(3,), (3, 2)]
    assert params[-1].tolist() == pytest.approx([1 - 2 * 0.1 * 12] * 3)


@pytest.mark.parametrize(
    "name, key, buffer",
    [
        ("Adam", "amsgrad", "max_exp_avg_sq"),
        ("RMSprop", "centered", "grad_avg"),
        ("RMSprop", "momentum", "momentum_buffer"),
    ],
)
def test_a_switch_put_on_in_the_middle_of_a_run_begins_at_zero(name, key, buffer):
    parameter = kuai.ones(3, requires_grad=True)
    optimizer = getattr(kuai.optim, name)([parameter], lr=0.1)
    for number in range(3):
        optimizer.param_groups[0][key] = number > 0
        parameter.grad = kuai.ones(3)
        optimizer.step()
    assert (optimizer.state[parameter][buffer] > 0).all()
