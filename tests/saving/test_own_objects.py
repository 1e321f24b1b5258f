"""Modules, optimizers and objects of the program's classes, which `weights_only=False` loads."""

import collections
import dataclasses
import enum
import functools
import io
import pathlib
import pickle
import subprocess
import types

import pytest
import torch

import kuai
from kuai.errors import UnsafeFileError
from kuai.saving import interpreter, own_classes


@dataclasses.dataclass
class Settings:
    """Settings of a run."""

    rate: float
    place: pathlib.Path = pathlib.Path("runs") / "1"


class Kind(enum.Enum):
    """A choice."""

    FIRST = 1


class Plain:
    """A class of the program's own."""

    def __init__(self, other=None):
        self.other = other


Point = collections.namedtuple("Point", "x y")


class Block(kuai.nn.Module):
    """What published networks keep in their attributes."""

    def __init__(self):
        super().__init__()
        self.settings, self.kind, self.point = Settings(0.1), Kind.FIRST, Point(1, 2)
        self.norm = functools.partial(kuai.nn.LayerNorm, eps=1e-6)
        self.act, self.other = kuai.nn.functional.relu, kuai.tanh
        self.history = collections.defaultdict(list, loss=[1.0])
        self.last = collections.deque([1, 2], maxlen=2)
        self.space, self.kinds = types.SimpleNamespace(a=1), [kuai.nn.BatchNorm2d, Plain(self)]
        self.register_buffer("mask", kuai.ones(2), persistent=False)
        self.layers = kuai.nn.ModuleList([kuai.nn.Linear(2, 2), kuai.nn.Linear(2, 2)])
        self.layers[1].weight = self.layers[0].weight

    def forward(self, x):
        for layer in self.layers:
            x = self.act(layer(x))
        return self.other(x) * self.mask


def saved(value, package=kuai):
    file = io.BytesIO()
    package.save(value, file)
    file.seek(0)
    return file


def loaded(value):
    return kuai.load(saved(value), weights_only=False)


def test_a_network_comes_back_with_all_it_has():
    block = Block().eval()
    found = loaded(block)
    assert not found.training and repr(found) == repr(block)
    assert found.settings == block.settings and found.kind is Kind.FIRST
    assert found.point == Point(1, 2) and type(found.history) is collections.defaultdict
    assert found.act is block.act and found.norm(2).eps == 1e-6 and found.space.a == 1
    assert found.last == collections.deque([1, 2]) and found.last.maxlen == 2
    assert found.kinds[0] is kuai.nn.BatchNorm2d and found.kinds[1].other is found
    assert found.layers[0].weight is found.layers[1].weight
    assert list(found.state_dict()) == list(block.state_dict())
    x = kuai.ones(3, 2)
    assert found(x).tolist() == block(x).tolist()
    calls = []
    found.register_forward_hook(lambda *_: calls.append(1))
    found(x).sum().backward()
    assert calls and found.layers[0].weight.grad is not None


def test_a_run_goes_on_from_whole_objects():
    net = kuai.nn.Linear(2, 1)
    optimizer = kuai.optim.Adam(net.parameters(), lr=0.1)
    scheduler = kuai.optim.lr_scheduler.StepLR(optimizer, 1)

    def step(net, optimizer):
        optimizer.zero_grad()
        net(kuai.ones(3, 2)).sum().backward()
        optimizer.step()
        return net.weight.tolist()

    step(net, optimizer)
    scheduler.step()
    found = loaded({"net": net, "optimizer": optimizer, "scheduler": scheduler})
    assert found["scheduler"].optimizer is found["optimizer"]
    assert found["optimizer"].param_groups[0]["params"][0] is found["net"].weight
    assert step(found["net"], found["optimizer"]) == step(net, optimizer)


def test_pytorch_opens_kuais_and_kuai_pytorchs():
    def net(package):
        nn = package.nn
        layers = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MultiheadAttention(4, 2)]
        return nn.Sequential(*layers, nn.TransformerEncoderLayer(4, 2, 8), nn.GRUCell(1, 2))

    there = torch.load(saved(net(kuai)), weights_only=False)
    assert repr(there) == repr(net(torch)) and type(there[0]) is torch.nn.Conv2d
    theirs = net(torch)
    theirs.act = torch.relu
    here = kuai.load(saved(theirs, torch), weights_only=False)
    assert repr(here) == repr(net(kuai)) and here.act is kuai.relu
    assert here[0].weight.tolist() == theirs[0].weight.tolist()
    kuai.optim.SGD(here.parameters(), 0.1).zero_grad()


@pytest.mark.parametrize(
    "value", [Settings(0.1), Plain(), Block()], ids=lambda value: type(value).__name__
)
def test_only_where_a_file_is_trusted(value):
    with pytest.raises(pickle.UnpicklingError, match="weights_only=False"):
        kuai.load(saved(value))


def test_classes_that_were_said_to_be_safe():
    allowed = [Settings, (pathlib.PosixPath, "pathlib.PosixPath")]
    with kuai.serialization.safe_globals(allowed):
        assert kuai.load(saved(Settings(0.1))) == Settings(0.1)
        assert kuai.serialization.get_safe_globals() == allowed
        with pytest.raises(UnsafeFileError, match="Plain"):
            kuai.load(saved(Plain()))
    assert not own_classes.safe_globals


@pytest.mark.parametrize(
    "name",
    ["os system", "builtins eval", "subprocess Popen", "functools reduce", "kuai.hub load",
     "torch.hub load", "kuai.cli.running exec", "tempfile _TemporaryFileCloser"],
)  # fmt: skip
def test_other_names_are_refused_whoever_is_trusted(name):
    names = own_classes.ProgramNames({}, trusted=True)
    assert subprocess.Popen is not None  # it is in memory, and may not be named all the same
    assert name not in names


def test_names_are_not_called():
    names = own_classes.ProgramNames({}, trusted=True)
    code = b"\x80\x02ctests.saving.test_own_objects\nsaved\n)R."
    with pytest.raises(Exception, match="it calls a function"):
        interpreter.interpret(code, names, None)
