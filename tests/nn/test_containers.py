"""Sequential, ModuleList and ModuleDict behave and print as PyTorch's."""

from collections import OrderedDict

import pytest

import kuai
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def numbered(t, *sizes):
    return [blocks(t).Scale(size) for size in sizes]


def sequence(t, *sizes):
    return t.nn.Sequential(*numbered(t, *(sizes or (1, 2, 3))))


def listed(t, *sizes):
    return t.nn.ModuleList(numbered(t, *(sizes or (1, 2, 3))))


def named(t):
    return t.nn.ModuleDict({"b": blocks(t).Scale(1), "a": blocks(t).Scale(2)})


def changed(make, change):
    """A program: make a container, change it, show what the change returned and what is left."""

    def program(t):
        container = make(t)
        returned = change(t, container)
        return "itself" if returned is container else returned, container, len(container)

    return program


def both(change):
    return {
        "Sequential": changed(sequence, change),
        "ModuleList": changed(listed, change),
    }


def set_item(index):
    return lambda t, c: c.__setitem__(index, blocks(t).Scale(9))


NUMBERED = {
    "first": lambda t, c: c[0],
    "last": lambda t, c: c[-1],
    "slice": lambda t, c: c[1:],
    "slice backwards": lambda t, c: c[::-1],
    "empty slice": lambda t, c: c[3:],
    "out of range": lambda t, c: c[3],
    "out of range below": lambda t, c: c[-4],
    "index of wrong type": lambda t, c: c["0"],
    "bool index": lambda t, c: c[True],
    "set": set_item(1),
    "set last": set_item(-1),
    "set out of range": set_item(5),
    "set wrong": lambda t, c: c.__setitem__(0, 3),
    "delete": lambda t, c: c.__delitem__(0),
    "delete last": lambda t, c: c.__delitem__(-1),
    "delete slice": lambda t, c: c.__delitem__(slice(0, 2)),
    "delete step": lambda t, c: c.__delitem__(slice(0, 3, 2)),
    "append": lambda t, c: c.append(blocks(t).Scale(9)),
    "append wrong": lambda t, c: c.append(3),
    "insert": lambda t, c: c.insert(1, blocks(t).Scale(9)),
    "insert at end": lambda t, c: c.insert(3, blocks(t).Scale(9)),
    "extend": lambda t, c: c.extend(numbered(t, 7, 8)),
    "extend wrong": lambda t, c: c.extend([3]),
    "extend not iterable": lambda t, c: c.extend(3),
    "pop": lambda t, c: c.pop(0),
    "pop last": lambda t, c: c.pop(-1),
    "pop slice": lambda t, c: c.pop(slice(1, 3)),
    "iterate": lambda t, c: list(c),
    "contains": lambda t, c: c[1] in list(c),
    "dir": lambda t, c: [name for name in dir(c) if name[0].isdigit()],
    "state_dict": lambda t, c: list(c.state_dict()),
    "add": lambda t, c: c + type(c)(),
    "iadd": lambda t, c: c.__iadd__(c[:1]),
}

SEQUENTIAL = {
    "insert below": changed(sequence, lambda t, c: c.insert(-1, blocks(t).Scale(9))),
    "insert out of range": changed(sequence, lambda t, c: c.insert(9, blocks(t).Scale(9))),
    "insert wrong": changed(sequence, lambda t, c: c.insert(0, 3)),
    "add list": changed(sequence, lambda t, c: c + [1]),
    "iadd list": changed(sequence, lambda t, c: c.__iadd__([1])),
    "times": changed(sequence, lambda t, c: c * 2),
    "times left": changed(sequence, lambda t, c: 2 * c),
    "times in place": changed(sequence, lambda t, c: c.__imul__(2)),
    "times shares": lambda t: (c := sequence(t) * 2)[0] is c[3],
    "times zero": changed(sequence, lambda t, c: c * 0),
    "times text": changed(sequence, lambda t, c: c * "a"),
    "times text in place": changed(sequence, lambda t, c: c.__imul__("a")),
    "from names": lambda t: t.nn.Sequential(OrderedDict(a=blocks(t).Scale(), b=blocks(t).Scale())),
    "named slice": lambda t: t.nn.Sequential(OrderedDict(a=blocks(t).Scale(), b=blocks(t).Scale()))[
        1:
    ],
    "named index": lambda t: t.nn.Sequential(OrderedDict(a=blocks(t).Scale(7)))[-1],
    "from a dict": lambda t: t.nn.Sequential({"a": blocks(t).Scale()}),
    "empty": lambda t: t.nn.Sequential(),
    "forward": lambda t: sequence(t, 2, 2)(t.ones(2)).detach(),
    "empty forward": lambda t: t.nn.Sequential()(3),
}

LISTS = {
    "add iterable": changed(listed, lambda t, c: c + numbered(t, 5)),
    "repeated": lambda t: listed(t, *[1] * 20),
    "repeated twice": lambda t: listed(t, 1, 1, 2, 3, 3, 3),
    "nested": lambda t: t.nn.ModuleList([sequence(t, 1), sequence(t, 1), listed(t)]),
    "empty": lambda t: t.nn.ModuleList(),
    "from generator": lambda t: t.nn.ModuleList(m for m in numbered(t, 1, 2)),
    "from nothing iterable": lambda t: t.nn.ModuleList(3),
    "call": lambda t: listed(t)(1),
}

DICTS = {
    "printed": named,
    "get": lambda t: named(t)["a"],
    "missing": lambda t: named(t)["c"],
    "set": changed(named, lambda t, c: c.__setitem__("c", blocks(t).Scale(9))),
    "replace": changed(named, lambda t, c: c.__setitem__("a", blocks(t).Scale(9))),
    "set wrong": changed(named, lambda t, c: c.__setitem__("c", 3)),
    "set method name": changed(named, lambda t, c: c.__setitem__("pop", blocks(t).Scale(9))),
    "set other key": changed(named, lambda t, c: c.__setitem__(3, blocks(t).Scale(9))),
    "delete": changed(named, lambda t, c: c.__delitem__("a")),
    "contains": changed(named, lambda t, c: ("a" in c, "z" in c)),
    "iterate": changed(named, lambda t, c: (list(c), list(c.keys()))),
    "items": changed(named, lambda t, c: (list(c.items()), list(c.values()))),
    "pop": changed(named, lambda t, c: c.pop("a")),
    "pop missing": changed(named, lambda t, c: c.pop("z")),
    "clear": changed(named, lambda t, c: c.clear()),
    "update": changed(named, lambda t, c: c.update({"a": blocks(t).Scale(9)})),
    "update pairs": changed(named, lambda t, c: c.update([("z", blocks(t).Scale(9))])),
    "update dict": changed(named, lambda t, c: c.update(t.nn.ModuleDict({"z": t.nn.Module()}))),
    "update wrong": changed(named, lambda t, c: c.update(3)),
    "update no pairs": changed(named, lambda t, c: c.update([3])),
    "update triples": changed(named, lambda t, c: c.update([(1, 2, 3)])),
    "state_dict": lambda t: list(named(t).state_dict()),
}

PROGRAMS = {
    f"{kind}: {name}": program
    for name, change in NUMBERED.items()
    for kind, program in both(change).items()
}
PROGRAMS |= {f"Sequential: {name}": program for name, program in SEQUENTIAL.items()}
PROGRAMS |= {f"ModuleList: {name}": program for name, program in LISTS.items()}
PROGRAMS |= {f"ModuleDict: {name}": program for name, program in DICTS.items()}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def test_subclasses_keep_their_class_when_sliced():
    class Tower(kuai.nn.Sequential):
        pass

    assert type(Tower(*numbered(kuai, 1, 2))[1:]) is Tower


def test_a_sequence_can_be_added_to_itself():
    net = sequence(kuai)
    net += net
    assert len(net) == 6
