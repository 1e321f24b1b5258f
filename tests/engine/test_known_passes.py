"""Backward passes that are known are not walked again (what they compute: `tests/stories`)."""

import functools

import pytest

import kuai
from kuai import nn
from kuai.engine.autograd import walking
from kuai.engine.compile.tree import Node


@pytest.fixture
def visits(monkeypatch):
    """The nodes that backward passes have visited one by one."""
    seen, visit = [], walking._Walk.visit
    monkeypatch.setattr(
        walking._Walk, "visit", lambda self, node, g: seen.append(node) or visit(self, node, g)
    )
    return seen


def stepping(net, seen):
    @functools.partial(kuai.compile, fullgraph=True)  # in one piece, see `engine.compile.split`
    def step(x):
        net.zero_grad()
        seen.append(None)  # so that it is recorded at each call
        loss = net(x).square().mean()
        loss.backward()
        return loss

    return step


@pytest.mark.parametrize("fused", [False, True])
def test_a_pass_is_walked_until_it_is_known(visits, fused):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    step, x = stepping(net, []), kuai.ones(4, 3)
    if fused:
        with kuai.fused():
            for _ in range(3):
                step(x).item()  # which ends the record
            del visits[:]
            step(x)
    else:
        for _ in range(2):
            step(x)
        del visits[:]
        step(x)
    assert not visits


def test_hooks_are_seen_and_the_pass_is_known_again_without_them(visits):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    step, x, seen = stepping(net, []), kuai.ones(4, 3), []
    for _ in range(3):
        step(x)
    handle = net[0].weight.register_hook(lambda g: seen.append(g.sum()))
    del visits[:]
    step(x)
    assert len(visits) == 9 and len(seen) == 1
    handle.remove()
    del visits[:]
    step(x)
    assert not visits and len(seen) == 1


def test_passes_go_with_the_nodes_they_lead_to():
    root = Node(None, None, None, (), (), 0, (), None, None, None)
    child = Node(root, "key", None, (), (), 0, (), None, None, None)
    root.children["key"], root.passes = child, ("a pass",)
    child.prune()
    assert root.passes == () and not root.children
