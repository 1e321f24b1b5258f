"""`kuai.utils._pytree` beside PyTorch's."""

import dataclasses
import enum
from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest
import torch.utils._pytree as theirs

import kuai.utils._pytree as ours

Point = namedtuple("Point", "x y")
TREES = [
    1, None, [], {}, (), [1, (2, None)], {"b": 1, "a": [2, 3]}, Point(1, [2]),
    OrderedDict(b=1, a=2), defaultdict(list, a=[1, 2]), deque([1, 2], maxlen=3), {1: {2: {}}},
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_the_same_leaves_and_trees(tree):
    leaves, spec = ours.tree_flatten(tree)
    assert leaves == theirs.tree_flatten(tree)[0]
    assert spec.num_leaves == theirs.tree_structure(tree).num_leaves
    again = ours.tree_unflatten(leaves, spec)
    assert again == tree and type(again) is type(tree)
    paths = [ours.keystr(path) for path, _ in ours.tree_leaves_with_path(tree)]
    assert paths == [theirs.keystr(p) for p, _ in theirs.tree_flatten_with_path(tree)[0]]


@pytest.mark.parametrize("lib", [theirs, ours], ids=["torch", "kuai"])
def test_maps(lib):
    tree = {"a": 1, "b": (2.0, [3])}
    assert lib.tree_map(lambda x, y: x + y, tree, tree) == {"a": 2, "b": (4.0, [6])}
    assert lib.tree_map_only(int, lambda x: -x, tree) == {"a": -1, "b": (2.0, [-3])}
    assert lib.tree_all(lambda x: x > 0, tree) and not lib.tree_any_only(int, lambda x: x > 5, tree)
    with pytest.raises(ValueError):
        lib.tree_map(lambda x, y: x, {"a": 1}, {"b": 1})
    with pytest.raises(ValueError):
        lib.tree_unflatten([1], lib.tree_structure([1, 2]))


def _said(call):
    try:
        return call()
    except Exception as error:  # noqa: BLE001 (it is compared with the other library's)
        return type(error), str(error)


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("tree", [*TREES, {Colour.RED: 1}, {(1, 2): 3}], ids=repr)
def test_specs_are_written_as_the_other_library_reads_them(tree):
    spec, other = ours.tree_structure(tree), theirs.tree_structure(tree)
    text = _said(lambda: ours.treespec_dumps(spec))
    assert text == _said(lambda: theirs.treespec_dumps(other))
    assert ours.treespec_pprint(spec) == theirs.treespec_pprint(other)
    if isinstance(text, str):
        assert repr(ours.treespec_loads(text)) == repr(theirs.treespec_loads(text))


@pytest.mark.parametrize("lib", [theirs, ours], ids=["torch", "kuai"])
def test_what_is_written_of_classes_of_ones_own(lib):
    class Plain:
        pass

    @dataclasses.dataclass
    class Pair:
        a: object
        b: object = None

    lib.register_pytree_node(Plain, lambda _: ([], None), lambda *_: Plain())
    lib.register_dataclass(Pair, serialized_type_name=f"{lib.__name__}.Pair")
    refused = _said(lambda: lib.treespec_dumps(lib.tree_structure(Plain())))
    assert refused[0] is NotImplementedError and "No registered serialization name" in refused[1]
    leaves, spec = lib.tree_flatten(Pair(1))
    assert leaves == [1] and spec.context == [["a"], ["b"]]
    again = lib.treespec_loads(lib.treespec_dumps(spec))
    assert again == spec and again.unflatten([2]) == Pair(2)
    Named = namedtuple("Named", "x")
    lib._register_namedtuple(Named, serialized_type_name=f"{lib.__name__}.Named")
    spec = lib.tree_structure(Named(3))
    assert lib.treespec_loads(lib.treespec_dumps(spec)).unflatten([4]) == Named(4)


def test_refusals_have_the_same_words():
    @dataclasses.dataclass
    class Pair:
        a: int
        b: int

    for call in (
        lambda lib: lib.treespec_dumps(3),
        lambda lib: lib.treespec_dumps(lib.tree_structure(1), 9),
        lambda lib: lib.treespec_loads('[2, {"type": "q", "context": "", "children_spec": []}]'),
        lambda lib: lib.treespec_loads('[1, {"type": "q", "context": "", "children_spec": []}]'),
        lambda lib: lib.register_dataclass(Pair, field_names=["a"]),
        lambda lib: lib.register_dataclass(Pair, field_names=["a", "b", "c"]),
        lambda lib: lib.register_dataclass(int),
        lambda lib: lib.register_constant(type("Own", (), {})),
        lambda lib: lib.register_constant(type("Own", (), {"__eq__": lambda *_: True})),
    ):
        kind, text = _said(lambda call=call: call(ours))
        assert (kind, text) == _said(lambda call=call: call(theirs))
