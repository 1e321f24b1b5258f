"""Complete by construction: state of a kind that Checkpointer has never heard of is restored."""

import collections
import copy
import math
import random

import jax.numpy as jnp
import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.optim import lr_scheduler


def there_and_back(folder, fresh, **objects):
    """Save some objects and restore them into others."""
    kuai.Checkpointer(folder, asynchronous=False, **objects).save(1)
    assert kuai.Checkpointer(folder, **fresh).restore() == 1


def same(one, other):
    """Equal, of the same types, all the way down."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            same(one[key], other[key])
        if extra := getattr(one, "__dict__", None):
            same(extra, vars(other))
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for ours, theirs in zip(one, other, strict=True):
            same(ours, theirs)
    elif isinstance(one, kuai.Tensor) or hasattr(one, "dtype"):
        assert one.dtype == other.dtype and one.shape == other.shape
        ours, theirs = np.asarray(one), np.asarray(other)
        assert ours.tobytes() == theirs.tobytes()
    elif isinstance(one, float) and math.isnan(one):
        assert math.isnan(other)
    else:
        assert one == other


class Own:
    """A user's object."""

    def __init__(self, content=None):
        self.content = content

    def state_dict(self):
        return self.content

    def load_state_dict(self, state):
        self.content = state


DTYPES = [
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2"),
]
CONTENTS = {
    "nothing": None,
    "numbers": [1, -(2**100), 0.1, -0.0, True, 1 + 2j],
    "not numbers": (math.inf, -math.inf, math.nan),
    "texts": ["", "块\n\0", "$tensor", b"\x00\xff", bytearray(b"ab")],
    "keys": {1: "a", (2, "b"): None, None: 0, "$dict": [[1]], "a.b": {"c": 1}, 0.5: {}},
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
    "counter": collections.Counter("hello"),
    "sets": [{1, 2}, frozenset({"a"}), set()],
    "kuai": [kuai.float16, kuai.device("cpu"), kuai.Size([2, 3])],
    "numpy": [np.arange(6.0).reshape(2, 3), np.float32(1.5), np.int64(7), np.zeros((0, 3))],
    "jax": [jnp.arange(3, dtype=jnp.int32), jnp.float32(2)],
    "same names": {"a.b": kuai.ones(1), "a": {"b": kuai.zeros(2)}, "a~2": kuai.ones(3)},
    "shapes": [kuai.tensor(3.0), kuai.ones(0), kuai.ones(2, 3).T, kuai.arange(6).view(2, 3)[1]],
    "dtypes": {name: kuai.tensor([0, 1, 1]).to(getattr(kuai, name)) for name in DTYPES},
    "deep": [[[[{"a": [({},)]}]]]],
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_kind_of_value(tmp_path, name):
    fresh = Own()
    there_and_back(tmp_path, {"own": fresh}, own=Own(CONTENTS[name]))
    same(fresh.content, CONTENTS[name])


def test_what_changes_after_saving_is_not_saved(tmp_path):
    """Everything that can change is copied, or immutable, when `save` returns."""
    array, tensor, inner = np.ones(3), kuai.ones(3), [1]
    own = Own({"array": array, "tensor": tensor, "inner": inner, "row": tensor[1:]})
    before = copy.deepcopy(own.content)
    checkpoints = kuai.Checkpointer(tmp_path, own=own)
    checkpoints.save(1)
    array[0] = tensor[2] = inner[0] = 5
    checkpoints.restore()
    same(own.content, before)


class Remembers(nn.Module):
    """A module with a buffer, and with state that is no tensor."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(kuai.zeros(2))
        self.register_buffer("seen", kuai.zeros(3, dtype=kuai.int64))
        self.calls = {}

    def get_extra_state(self):
        return {"calls": self.calls, "last": kuai.ones(2) * len(self.calls)}

    def set_extra_state(self, state):
        self.calls = state["calls"]
        assert state["last"].tolist() == [len(self.calls)] * 2


def test_buffers_and_extra_state(tmp_path):
    net = nn.Sequential(Remembers(), nn.BatchNorm1d(2))
    net[0].seen += 7
    net[0].calls = {3: ("a", None)}
    net[1](kuai.randn(4, 2))
    fresh = nn.Sequential(Remembers(), nn.BatchNorm1d(2))
    there_and_back(tmp_path, {"model": fresh}, model=net)
    assert fresh[0].calls == {3: ("a", None)} and fresh[0].seen.tolist() == [7] * 3
    for name, tensor in net[1].state_dict().items():
        assert fresh[1].state_dict()[name].tolist() == tensor.tolist()


def test_tied_weights_are_written_once_and_stay_tied(tmp_path):
    def tied():
        net = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
        net[1].weight = net[0].weight
        return net

    net, fresh = tied(), tied()
    there_and_back(tmp_path, {"model": fresh}, model=net)
    assert fresh[1].weight is fresh[0].weight
    assert fresh[0].weight.tolist() == net[0].weight.tolist()
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 1.9 * 50 * 50 * 4


class Odd(kuai.optim.Optimizer):
    """An optimizer with state of its own invention."""

    def __init__(self, params):
        super().__init__(params, {"lr": 1.0, "choice": (1, "a")})

    @kuai.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["visits"] = state.get("visits", 0) + 1
                state.setdefault("trace", []).append(parameter.detach().clone())
                parameter.add_(1)


def test_an_optimizer_with_a_new_kind_of_state(tmp_path):
    weight, other = nn.Parameter(kuai.zeros(2)), nn.Parameter(kuai.zeros(2))
    optimizer, fresh = Odd([weight]), Odd([other])
    for _ in range(3):
        optimizer.step()
    there_and_back(tmp_path, {"optimizer": fresh}, optimizer=optimizer)
    assert fresh.state[other]["visits"] == 3
    assert [t.tolist() for t in fresh.state[other]["trace"]] == [[0, 0], [1, 1], [2, 2]]
    assert fresh.param_groups[0]["choice"] == (1, "a")


OPTIMIZERS = [
    kind
    for kind in vars(kuai.optim).values()
    if isinstance(kind, type)
    and issubclass(kind, kuai.optim.Optimizer)
    and kind not in (kuai.optim.Optimizer, kuai.optim.FunctionalOptimizer)
]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer(tmp_path, kind):
    def made():
        kuai.manual_seed(0)
        net = nn.Linear(3, 2, bias=kind is not kuai.optim.Muon)  # which takes matrices only
        return net, kind(net.parameters(), lr=0.1)

    def train(net, optimizer):
        def loss():
            optimizer.zero_grad()
            value = net(kuai.ones(1, 3)).square().sum()
            value.backward()
            return value

        for _ in range(2):
            optimizer.step(loss)

    (net, optimizer), (other, fresh) = made(), made()
    train(net, optimizer)
    there_and_back(tmp_path, dict(model=other, optimizer=fresh), model=net, optimizer=optimizer)
    same(fresh.state_dict(), optimizer.state_dict())
    train(net, optimizer)
    train(other, fresh)
    assert other.weight.tolist() == net.weight.tolist()


SCHEDULERS = {
    "StepLR": dict(step_size=2),
    "MultiStepLR": dict(milestones=[1, 3]),
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": dict(gamma=0.9),
    "PolynomialLR": {},
    "CosineAnnealingLR": dict(T_max=5),
    "CosineAnnealingWarmRestarts": dict(T_0=3),
    "CyclicLR": dict(base_lr=0.1, max_lr=1.0, step_size_up=2, cycle_momentum=False),
    "OneCycleLR": dict(max_lr=1.0, total_steps=10),
    "LambdaLR": dict(lr_lambda=lambda epoch: 0.5**epoch),
    "MultiplicativeLR": dict(lr_lambda=lambda epoch: 0.5),
    "ReduceLROnPlateau": dict(patience=0),
}


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if hasattr(lr_scheduler, name)])
def test_every_scheduler(tmp_path, name):
    def made():
        weight = nn.Parameter(kuai.zeros(1))
        weight.grad = kuai.zeros(1)
        optimizer = kuai.optim.SGD([weight], lr=0.5, momentum=0.9)
        return optimizer, getattr(lr_scheduler, name)(optimizer, **SCHEDULERS[name])

    def rates(optimizer, scheduler):
        found = []
        for _ in range(3):
            optimizer.step()
            scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
            found.append(float(optimizer.param_groups[0]["lr"]))
        return found

    optimizer, scheduler = made()
    rates(optimizer, scheduler)
    other, fresh = made()
    there_and_back(
        tmp_path,
        dict(optimizer=other, scheduler=fresh),
        optimizer=optimizer,
        scheduler=scheduler,
    )
    assert rates(other, fresh) == rates(optimizer, scheduler)


def test_generators_tensors_lists_and_dicts(tmp_path):
    def made():
        return {
            "noise": kuai.Generator().manual_seed(1),
            "average": kuai.zeros(2),
            "history": [],
            "best": {},
            "numpy_generator": np.random.default_rng(1),
            "python_generator": random.Random(1),
        }

    def draw(objects):
        return (
            kuai.rand(2, generator=objects["noise"]).tolist(),
            objects["numpy_generator"].random(),
            objects["python_generator"].random(),
        )

    objects, fresh = made(), made()
    draw(objects)
    objects["average"] += 3
    objects["history"].append({"loss": 0.5})
    objects["best"]["epoch"] = (1, 2)
    held = fresh["average"], fresh["history"], fresh["best"]
    there_and_back(tmp_path, fresh, **objects)
    assert draw(fresh) == draw(objects)
    assert held[0].tolist() == [3, 3] and held[1:] == ([{"loss": 0.5}], {"epoch": (1, 2)})


@pytest.mark.parametrize("python_random", [True, False])
def test_random_states_are_always_included(tmp_path, python_random):
    def draws():
        return kuai.rand(3).tolist(), random.random(), np.random.random()

    checkpoints = kuai.Checkpointer(tmp_path, python_random=python_random)
    checkpoints.save(1)
    expected = draws()
    assert draws() != expected
    checkpoints.restore()
    found = draws()
    assert found[0] == expected[0]
    assert (found == expected) is python_random


def test_lazy_modules_get_their_sizes(tmp_path):
    net = nn.LazyLinear(3)
    net(kuai.ones(1, 4))
    fresh = nn.LazyLinear(3)
    there_and_back(tmp_path, {"model": fresh}, model=net)
    assert fresh.weight.tolist() == net.weight.tolist()


def test_equal_states_give_equal_files(tmp_path):
    for name in ("a", "b"):
        kuai.manual_seed(0)
        net = nn.Linear(3, 3)
        own = Own({"set": {"x", "y", "z"}, "more": [1, 2.5]})
        checkpoints = kuai.Checkpointer(tmp_path / name, python_random=False, net=net, own=own)
        path = checkpoints.save(1)
        checkpoints.wait()
    assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
