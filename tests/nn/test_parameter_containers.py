"""ParameterList and ParameterDict behave and print as PyTorch's."""

from collections import OrderedDict

import pytest

from tests.nn.sameness import assert_same
from tests.nn.test_containers import changed


def listed(t):
    return t.nn.ParameterList([t.ones(2, 2), t.nn.Parameter(t.zeros(3)), "text"])


def named(t):
    return t.nn.ParameterDict({"b": t.ones(2, 2), "a": t.zeros(1), "c": 5})


LISTS = {
    "printed": listed,
    "empty": lambda t: t.nn.ParameterList(),
    "index": lambda t: listed(t)[0],
    "last": lambda t: listed(t)[-1],
    "slice": lambda t: listed(t)[1:],
    "out of range": lambda t: listed(t)[3],
    "set": changed(listed, lambda t, c: c.__setitem__(0, t.zeros(4))),
    "set out of range": changed(listed, lambda t, c: c.__setitem__(4, t.zeros(4))),
    "append": changed(listed, lambda t, c: c.append(t.zeros(4))),
    "extend": changed(listed, lambda t, c: c.extend([t.zeros(4)])),
    "extend tensor": changed(listed, lambda t, c: c.extend(t.zeros(4))),
    "extend number": changed(listed, lambda t, c: c.extend(4)),
    "iadd": changed(listed, lambda t, c: c.__iadd__([t.zeros(4)])),
    "iterate": changed(listed, lambda t, c: list(c)),
    "parameters": lambda t: [name for name, _ in listed(t).named_parameters()],
    "state_dict": lambda t: list(listed(t).state_dict()),
    "dir": lambda t: [name for name in dir(listed(t)) if name.isdigit()],
    "call": lambda t: listed(t)(1),
    "same parameter": lambda t: (p := t.nn.Parameter(t.ones(1))) is t.nn.ParameterList([p])[0],
    "double": lambda t: t.nn.ParameterList([t.ones(2)]).double(),
}

DICTS = {
    "printed": named,
    "empty": lambda t: t.nn.ParameterDict(),
    "ordered": lambda t: list(t.nn.ParameterDict(OrderedDict(b=t.ones(1), a=t.ones(1)))),
    "sorted": lambda t: list(named(t)),
    "pairs": lambda t: list(t.nn.ParameterDict([("b", t.ones(1)), ("a", t.ones(1))])),
    "get item": lambda t: named(t)["a"],
    "missing": lambda t: named(t)["z"],
    "number as key": lambda t: named(t).__setitem__(3, t.ones(1)),
    "get number": lambda t: named(t)[3],
    "set": changed(named, lambda t, c: c.__setitem__("z", t.zeros(4))),
    "delete": changed(named, lambda t, c: c.__delitem__("a")),
    "delete missing": changed(named, lambda t, c: c.__delitem__("z")),
    "contains": changed(named, lambda t, c: ("a" in c, "z" in c, list(reversed(c)))),
    "copy": changed(named, lambda t, c: (c.copy(), c.copy()["a"] is c["a"])),
    "setdefault": changed(named, lambda t, c: (c.setdefault("z", 1), c.setdefault("a"))),
    "get": changed(named, lambda t, c: (c.get("z"), c.get("z", 1), c.get("c"))),
    "clear": changed(named, lambda t, c: c.clear()),
    "pop": changed(named, lambda t, c: c.pop("a")),
    "pop missing": changed(named, lambda t, c: c.pop("z")),
    "popitem": changed(named, lambda t, c: c.popitem()),
    "popitem empty": lambda t: t.nn.ParameterDict().popitem(),
    "fromkeys": changed(named, lambda t, c: c.fromkeys(["x", "y"], 1)),
    "items": changed(named, lambda t, c: (list(c.items()), list(c.values()), list(c.keys()))),
    "update number": changed(named, lambda t, c: c.update(3)),
    "update no pairs": changed(named, lambda t, c: c.update([3])),
    "update triples": changed(named, lambda t, c: c.update([(1, 2, 3)])),
    "or": changed(named, lambda t, c: c | t.nn.ParameterDict({"z": t.ones(1), "a": 7})),
    "or in place": changed(named, lambda t, c: c.__ior__(t.nn.ParameterDict({"z": t.ones(1)}))),
    "call": lambda t: named(t)(1),
    "parameters": lambda t: [name for name, _ in named(t).named_parameters()],
}

PROGRAMS = {f"ParameterList: {name}": program for name, program in LISTS.items()}
PROGRAMS |= {f"ParameterDict: {name}": program for name, program in DICTS.items()}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)
