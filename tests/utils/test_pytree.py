"""`kuai.utils._pytree` beside PyTorch's."""

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
