"""Configurations that the step reads: dictionaries, dataclasses, namespaces, arrays."""

import collections
import copy
import dataclasses
import types

import numpy as np

from tests.stories.storykit import story

CONFIG = {"model": {"scale": 1.0, "layers": [1, 2]}, "train": {"clip": None}}


@story
def deep_configuration(t, compiled):
    config = copy.deepcopy(CONFIG)

    @compiled
    def run(x):
        for layer in config["model"]["layers"]:
            x = x * layer * config["model"]["scale"]
        return x if config["train"]["clip"] is None else x.clamp(max=config["train"]["clip"])

    yield run(t.ones(2))
    config["model"]["scale"] = 2.0
    yield run(t.ones(2))
    config["model"]["layers"].append(3)
    yield run(t.ones(2))
    config["train"] = {"clip": 5.0}
    yield run(t.ones(2))
    config["model"]["layers"][0] = 0.25
    yield run(t.ones(2))


@story
def configuration_in_an_ordered_dict(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.cfg = collections.OrderedDict(k=1.0)

        def forward(self, x):
            return x * self.cfg["k"]

    net = Net()
    run = compiled(net)
    for k in (1.0, 2.0, 3.0):
        net.cfg["k"] = k
        yield run(t.ones(2))


@story
def order_of_an_ordered_dict(t, compiled):
    steps = collections.OrderedDict(add=1.0, multiply=2.0)

    @compiled
    def run(x):
        for name, value in steps.items():
            x = x + value if name == "add" else x * value
        return x

    for _ in range(3):
        yield run(t.ones(2))
        steps.move_to_end("add", last=next(iter(steps)) == "add")


@story
def configuration_in_a_dataclass(t, compiled):
    @dataclasses.dataclass
    class Config:
        scale: float = 1.0
        bias: float = 0.0

    config = Config()
    run = compiled(lambda x: x * config.scale + config.bias)
    yield run(t.ones(2))
    config.scale = 3.0
    yield run(t.ones(2))
    config = dataclasses.replace(config, bias=1.0)
    yield run(t.ones(2))


@story
def configuration_in_a_namespace(t, compiled):
    args = types.SimpleNamespace(scale=1.0, deep=types.SimpleNamespace(k=1.0))
    run = compiled(lambda x: x * args.scale * args.deep.k + hasattr(args, "extra"))
    yield run(t.ones(2))
    args.scale = 2.0
    yield run(t.ones(2))
    args.deep.k = 5.0
    yield run(t.ones(2))
    args.extra = None
    yield run(t.ones(2))


@story
def configuration_with_slots(t, compiled):
    class Config:
        __slots__ = ("scale",)

        def __init__(self):
            self.scale = 1.0

    config = Config()
    run = compiled(lambda x: x * config.scale)
    for config.scale in (1.0, 2.0, 3.0):
        yield run(t.ones(2))


@story
def array_of_numpy(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = np.ones(2, np.float32)

        def forward(self, x):
            return x * t.from_numpy(self.table) * float(self.table.sum())

    net = Net()
    run = compiled(net)
    for k in range(3):
        net.table[0] = k
        yield run(t.ones(2))


@story
def list_in_a_tuple(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.sizes = ([1.0, 2.0], "name")

        def forward(self, x):
            return x * sum(self.sizes[0])

    net = Net()
    run = compiled(net)
    for k in range(3):
        net.sizes[0].append(k)
        yield run(t.ones(2))


@story
def activation_replaced_in_a_namespace(t, compiled):
    holder = types.SimpleNamespace(act=t.tanh)
    run = compiled(lambda x: holder.act(x))
    for act in (t.tanh, t.sin, t.nn.ReLU(), lambda x: x * 2):
        holder.act = act
        yield run(t.tensor([-1.0, 1.0]))


@story
def configuration_seen_through_a_proxy(t, compiled):
    numbers = {"k": 1.0}
    view = types.MappingProxyType(numbers)
    run = compiled(lambda x: x * view["k"])
    for k in (1.0, 2.0, 3.0):
        numbers["k"] = k
        yield run(t.ones(2))
