"""Going through modules visits what PyTorch visits, in its order and under its names."""

import pytest

from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def names(pairs):
    return [name for name, _ in pairs]


def net(lib):
    return blocks(lib).Net()


PROGRAMS = {
    "children": lambda t: list(net(t).children()),
    "named_children": lambda t: list(net(t).named_children()),
    "modules": lambda t: list(net(t).modules()),
    "modules with duplicates": lambda t: len(list(net(t).modules(remove_duplicate=False))),
    "named_modules": lambda t: names(net(t).named_modules()),
    "named_modules prefix": lambda t: names(net(t).named_modules(prefix="net")),
    "named_modules all": lambda t: names(net(t).named_modules(remove_duplicate=False)),
    "named_modules memo": lambda t: names((n := net(t)).named_modules(memo={n.pair})),
    "parameters": lambda t: [p.shape for p in net(t).parameters()],
    "own parameters": lambda t: [p.shape for p in net(t).parameters(recurse=False)],
    "named_parameters": lambda t: names(net(t).named_parameters()),
    "named_parameters prefix": lambda t: names(net(t).named_parameters("net")),
    "named_parameters all": lambda t: names(net(t).named_parameters(remove_duplicate=False)),
    "named_parameters own": lambda t: names(net(t).one.named_parameters("x", recurse=False)),
    "buffers": lambda t: [b.shape for b in net(t).buffers()],
    "named_buffers": lambda t: names(net(t).named_buffers()),
    "named_buffers all": lambda t: names(net(t).named_buffers(remove_duplicate=False)),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)
