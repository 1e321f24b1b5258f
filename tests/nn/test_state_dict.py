"""Saving and loading state: keys, metadata, messages and hooks are PyTorch's."""

from collections import OrderedDict

import pytest

import kuai
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def net(lib):
    return blocks(lib).Net()


def load(change, **options):
    """A program that changes a network's state dict and loads it into another network."""

    def program(t):
        state = net(t).state_dict()
        change(t, state)
        target = net(t)
        return target.load_state_dict(state, **options), target.state_dict()

    return program


def rename(t, state):
    state["one.other"] = state.pop("one.weight")
    state["elsewhere.deep"] = t.zeros(1)


def with_extra_state(lib, value):
    class Extra(lib.nn.Module):
        def get_extra_state(self):
            return {"value": value}

        def set_extra_state(self, state):
            self.loaded = state

    return Extra()


def extra_state(t):
    source, target = with_extra_state(t, 1), with_extra_state(t, 2)
    return source.state_dict(), target.load_state_dict(source.state_dict()), target.loaded


def positional(t):
    return net(t).state_dict(OrderedDict(), "net.", True)


def hooks(t):
    block, said = blocks(t).Pair(), []
    block.first.register_state_dict_pre_hook(lambda m, p, k: said.append(("pre", p, k)))
    block.first.register_state_dict_post_hook(lambda m, s, p, meta: s.pop(p + "calls") and None)
    block.register_load_state_dict_pre_hook(lambda m, s, p, *rest: s.pop("first.weight") and None)
    block.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    return block.state_dict(), block.load_state_dict(block.state_dict()), said


def post_hook_returns(t):
    block = t.nn.Module()
    block.register_state_dict_post_hook(lambda *_: {})
    return block.state_dict()


def private_hook_returns(t):
    block = t.nn.Module()
    block._register_state_dict_hook(lambda *_: {"other": 1})
    return block.state_dict()


def same_hook_twice(t):
    def hook(*_):
        pass

    block = t.nn.Module()
    block.register_state_dict_post_hook(hook)
    block._register_state_dict_hook(hook)


def load_post_hook_returns(t):
    block = t.nn.Module()
    block.register_load_state_dict_post_hook(lambda *_: 1)
    return block.load_state_dict({})


def assigned(t):
    target, given = net(t), net(t).state_dict()
    target.load_state_dict(given, assign=True)
    weight = target.one.weight
    return type(weight).__name__, weight.requires_grad, target.one.calls is given["one.calls"]


def versions(t):
    class Old(t.nn.Module):
        _version = 7

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            self.seen = local_metadata.get("version")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    outer = t.nn.Module()
    outer.old = Old()
    outer.load_state_dict(outer.state_dict())
    return outer.state_dict()._metadata, outer.old.seen


PROGRAMS = {
    "saved": lambda t: net(t).state_dict(),
    "prefix": lambda t: list(net(t).state_dict(prefix="net.")),
    "keep_vars": lambda t: net(t).state_dict(keep_vars=True),
    "metadata": lambda t: net(t).state_dict()._metadata,
    "destination": lambda t: net(t).state_dict(destination={"old": 1}),
    "positional": positional,
    "loaded": load(lambda t, state: None),
    "values": load(lambda t, state: state.update({"one.weight": t.ones(2) * 5})),
    "renamed": load(rename),
    "renamed not strict": load(rename, strict=False),
    "wrong size": load(lambda t, state: state.update({"one.weight": t.ones(3)})),
    "wrong size not strict": load(
        lambda t, state: state.update({"one.weight": t.ones(3)}), strict=False
    ),
    "not a tensor": load(lambda t, state: state.update({"one.weight": 3})),
    "scalar from vector": lambda t: _scalar(t).load_state_dict({"w": t.ones(1)}),
    "not a dict": lambda t: net(t).load_state_dict(3),
    "unexpected extra": lambda t: t.nn.Module().load_state_dict({"_extra_state": 1}),
    "extra state": extra_state,
    "extra state missing": lambda t: with_extra_state(t, 1).load_state_dict({}),
    "hooks": hooks,
    "post hook returns": post_hook_returns,
    "private hook returns": private_hook_returns,
    "same hook twice": same_hook_twice,
    "load post hook returns": load_post_hook_returns,
    "assigned": assigned,
    "versions": versions,
}


def _scalar(t):
    block = t.nn.Module()
    block.w = t.nn.Parameter(t.zeros(1)[0].detach().clone())
    return block


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def test_saved_tensors_share_storage():
    block = blocks(kuai).Scale()
    block.state_dict()["weight"].zero_()
    assert block.weight.tolist() == [0.0, 0.0]


def test_loading_keeps_parameter_objects():
    block = net(kuai)
    before = list(block.parameters())
    block.load_state_dict(net(kuai).state_dict())
    assert all(old is new for old, new in zip(before, block.parameters(), strict=True))
