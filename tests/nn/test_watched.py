"""Watched dictionaries look like the ones they stand for."""

import copy
import pickle
from collections import OrderedDict

import pytest

from kuai.engine.tensor.changes import counter
from kuai.nn.base.watched import SlotDict, WatchedDict

MUTATIONS = {
    "set": lambda d: d.__setitem__("b", 2),
    "delete": lambda d: d.__delitem__("a"),
    "update": lambda d: d.update(b=2),
    "setdefault": lambda d: d.setdefault("b", 2),
    "pop": lambda d: d.pop("a"),
    "popitem": lambda d: d.popitem(),
    "clear": lambda d: d.clear(),
    "move": lambda d: d.move_to_end("a"),
    "or": lambda d: d.__ior__({"b": 2}),
}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS)
def test_every_mutator_touches(mutate):
    watched, plain = WatchedDict(a=1), OrderedDict(a=1)
    before = counter.count
    mutate(watched)
    mutate(plain)
    assert counter.count > before
    assert watched == plain


def test_texts():
    assert repr(WatchedDict(a=1)) == repr(OrderedDict(a=1))
    assert repr(SlotDict(a=1)) == "{'a': 1}"


@pytest.mark.parametrize("kind", [WatchedDict, SlotDict])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_copies_are_of_the_same_kind(kind, how):
    original = kind(a=1)
    other = how(original)
    assert type(other) is kind
    assert other == original
    assert other is not original
