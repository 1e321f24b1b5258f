"""Data sets and what is made of them, beside torch's."""

import collections
import types
import typing

import numpy as np
import pytest
import torch

import kuai
from kuai import data
from kuai.data.parcels import Parcel, unpacked

LIBRARIES = (torch, kuai)


def both(function):
    """What a function of a library gives, or how it fails, in PyTorch and in Kuai."""
    found = []
    for t in LIBRARIES:
        try:
            found.append(function(t, t.utils.data))
        except Exception as error:  # noqa: BLE001 - which one it is, is compared
            found.append((type(error), str(error)))
    return found


class Asked(list):
    """Samples that can be asked for many at once."""

    def __getitems__(self, indices):
        return [self[i] for i in indices][: len(self)]


CASES = {
    "concatenation": lambda t, d: list_of(d.ConcatDataset(["abc", [1, 2], (3.0,)])),
    "from the end": lambda t, d: d.ConcatDataset(["abc", "de"])[-4],
    "before the beginning": lambda t, d: d.ConcatDataset(["abc", "de"])[-6],
    "behind the end": lambda t, d: d.ConcatDataset(["abc", "de"])[5],
    "empty parts": lambda t, d: list_of(d.ConcatDataset(["", "a", "", "b"])),
    "nothing": lambda t, d: d.ConcatDataset([]),
    "cumulative sizes": lambda t, d: d.ConcatDataset(["abc", "de"]).cumulative_sizes,
    "sum": lambda t, d: d.ConcatDataset.cumsum(["abc", "de"]),
    "stack": lambda t, d: list_of(d.StackDataset("ab", [1, 2])),
    "named stack": lambda t, d: list_of(d.StackDataset(x="ab", y=[1, 2])),
    "many of a stack": lambda t, d: d.StackDataset(Asked("abc"), "xyz").__getitems__([2, 0]),
    "many of a named": lambda t, d: d.StackDataset(a=Asked("abc"), b="xyz").__getitems__([2, 0]),
    "none of a stack": lambda t, d: d.StackDataset("ab", "cd").__getitems__([]),
    "too few": lambda t, d: d.StackDataset(Asked("ab"), "ab").__getitems__([0, 1, 0]),
    "mixed stack": lambda t, d: d.StackDataset("a", b="b"),
    "empty stack": lambda t, d: d.StackDataset(),
    "uneven stack": lambda t, d: d.StackDataset("a", "bc"),
    "subset": lambda t, d: (list_of(d.Subset("abcd", [3, 0])), len(d.Subset("abcd", [1]))),
    "subset of many": lambda t, d: d.Subset(Asked("abcd"), [3, 0, 1]).__getitems__([2, 0]),
    "subset of a list": lambda t, d: d.Subset(t.arange(9), [8, 4, 2])[[0, 2]].tolist(),
    "subset of a subset": lambda t, d: list_of(d.Subset(d.Subset("abcd", [3, 2, 1]), [0, 2])),
    "sizes of shares": lambda t, d: list(map(len, d.random_split(range(31), [0.3, 0.3, 0.4]))),
    "sizes": lambda t, d: list(map(len, d.random_split(range(10), [3, 7]))),
    "wrong sizes": lambda t, d: d.random_split(range(10), [3, 6]),
    "wrong shares": lambda t, d: d.random_split(range(10), [1.5, -0.5]),
    "shares above one": lambda t, d: d.random_split(range(10), [0.5, 0.6]),
    "rows": lambda t, d: [[x.tolist(), y.tolist()] for x, y in rows(t, d)],
    "rows of different length": lambda t, d: d.TensorDataset(t.ones(2), t.ones(3)),
    "no getitem": lambda t, d: d.Dataset()[0],
    "plus": lambda t, d: type(rows(t, d) + rows(t, d)).__name__,
    "stream plus": lambda t, d: type(stream(d) + stream(d)).__name__,
    "chain": lambda t, d: list(d.ChainDataset([stream(d), stream(d)])),
    "length of a chain": lambda t, d: len(d.ChainDataset([stream(d), stream(d)])),
    "chain of what is no stream": lambda t, d: list(d.ChainDataset([stream(d), "ab"])),
    "length of no stream": lambda t, d: len(d.ChainDataset(["ab"])),
    "streams concatenated": lambda t, d: d.ConcatDataset([stream(d)]),
    "no iter": lambda t, d: isinstance(d.IterableDataset, typing.Hashable),
    "half a subset": lambda t, d: half_a_subset(d)("abc", [0]),
}


def list_of(dataset):
    return [dataset[i] for i in range(len(dataset))]


def rows(t, d):
    return d.TensorDataset(t.arange(3), t.ones(3, 2))


def stream(d):
    class Stream(d.IterableDataset):
        def __iter__(self):
            return iter([1, 2])

        def __len__(self):
            return 2

    return Stream()


def half_a_subset(d):
    class Half(d.Subset):
        def __getitem__(self, idx):
            return idx

    return Half


@pytest.mark.parametrize("name", CASES)
def test_same_as_pytorch(name):
    theirs, ours = both(CASES[name])
    assert ours == theirs


def test_an_old_spelling():
    with pytest.warns(FutureWarning, match="renamed to `cumulative_sizes`"):
        assert data.ConcatDataset(["ab"]).cummulative_sizes == [2]


def test_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        parts = data.random_split("ab", [0.9, 0.1])
    assert [len(part) for part in parts] == [2, 0]


def test_parts_are_random_and_seeded():
    def parts(seed):
        generator = kuai.Generator().manual_seed(seed)
        return [part.indices for part in data.random_split(range(20), [0.5, 0.5], generator)]

    assert parts(0) == parts(0) != parts(1)
    assert sorted(sum(parts(0), [])) == list(range(20))


def test_types_in_brackets():
    class Words(data.Dataset[str]):
        pass

    class Stream(data.IterableDataset[tuple[int, str]]):
        def __iter__(self):
            return iter(())

    for generic in (data.DataLoader, data.Sampler, data.Subset, data.ConcatDataset):
        assert typing.get_args(generic[int]) == (int,)
    assert isinstance(Stream(), collections.abc.Iterable)
    assert not isinstance(Words(), collections.abc.Iterable)
    assert types.resolve_bases(data.TensorDataset.__orig_bases__)[0] is data.Dataset


# Collating ----------------------------------------------------------------------------------------

Pair = collections.namedtuple("Pair", "a b")


class Frozen(collections.abc.Mapping):
    def __init__(self, items):
        self.items_ = dict(items)

    def __getitem__(self, key):
        return self.items_[key]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)


class Stubborn(Frozen):
    def __init__(self, *, items):
        super().__init__(items)


class Noted(dict):
    note = None


def noted():
    made = Noted(a=1)
    made.note = "kept"
    return made


BATCHES = {
    "numbers": lambda t: [1, 2],
    "one and a half": lambda t: [1, 2.5],
    "truth": lambda t: [True, False],
    "truth and numbers": lambda t: [True, 2],
    "broken": lambda t: [1.0, 2],
    "complex": lambda t: [1j],
    "texts": lambda t: ["a", "b"],
    "bytes": lambda t: [b"a", b"b"],
    "none": lambda t: [None, None],
    "scalars": lambda t: [np.float32(1), np.float32(2)],
    "doubles": lambda t: [np.float64(1), np.float64(2)],
    "small": lambda t: [np.uint8(1), np.uint8(2)],
    "flags": lambda t: [np.bool_(True), np.bool_(False)],
    "array of texts": lambda t: [np.array(["a"])],
    "array of objects": lambda t: [np.array([None])],
    "numpy's text": lambda t: [np.str_("a"), np.str_("b")],
    "arrays": lambda t: [np.ones((2, 3), np.float16), np.zeros((2, 3), np.float16)],
    "empty arrays": lambda t: [np.ones((0, 3))] * 2,
    "uneven arrays": lambda t: [np.ones(2), np.ones(3)],
    "arrays of two types": lambda t: [np.ones(2, np.float32), np.ones(2, np.int64)],
    "dates": lambda t: [np.array(["2026-01-01"], "datetime64[D]")],
    "scalar arrays": lambda t: [np.array(1), np.array(2)],
    "memory maps": lambda t: [np.ones(2).view(np.recarray)] * 2,
    "tensors": lambda t: [t.ones(2), t.zeros(2)],
    "uneven tensors": lambda t: [t.ones(2), t.zeros(3)],
    "tensors of two types": lambda t: [t.ones(2), t.arange(2)],
    "scalar tensors": lambda t: [t.tensor(1), t.tensor(2)],
    "views": lambda t: list(t.arange(6).reshape(3, 2).t()),
    "with gradients": lambda t: [t.ones(2, requires_grad=True), t.zeros(2)],
    "half": lambda t: [t.ones(2, dtype=t.bfloat16)] * 2,
    "parameters": lambda t: [t.nn.Parameter(t.ones(2))] * 2,
    "tuples": lambda t: [(1, "a"), (2, "b")],
    "lists": lambda t: [[1, [2.0]], [3, [4.0]]],
    "uneven lists": lambda t: [[1], [1, 2]],
    "uneven tuples": lambda t: [(1, 2), (1,)],
    "empty lists": lambda t: [[], []],
    "named": lambda t: [Pair(1, "a"), Pair(2, "b")],
    "ranges": lambda t: [range(2), range(2)],
    "dicts": lambda t: [{"a": 1, "b": {"c": 2.0}}, {"a": 3, "b": {"c": 4.0}}],
    "missing keys": lambda t: [{"a": 1}, {"b": 1}],
    "ordered": lambda t: [collections.OrderedDict(a=1)] * 2,
    "default": lambda t: [collections.defaultdict(list, a=1)] * 2,
    "frozen": lambda t: [Frozen({"a": 1})] * 2,
    "proxies": lambda t: [types.MappingProxyType({"a": 1})] * 2,
    "stubborn": lambda t: [Stubborn(items={"a": 1})] * 2,
    "noted": lambda t: [noted(), noted()],
    "users' lists": lambda t: [collections.UserList([1, 2])] * 2,
    "deque": lambda t: [collections.deque([1, 2])] * 2,
    "arrays in lists": lambda t: [[np.ones(1), 1], [np.zeros(1), 2]],
    "sets": lambda t: [{1}],
    "objects": lambda t: [object],
    "nothing": lambda t: [],
    "a tuple of samples": lambda t: (1, 2),
}


def shown(value):
    if hasattr(value, "requires_grad"):
        kind = type(value).__name__
        return kind, str(value.dtype), tuple(value.shape), value.tolist(), value.requires_grad
    if isinstance(value, np.ndarray):
        return "ndarray", str(value.dtype), value.tolist()
    if isinstance(value, collections.abc.Mapping):
        note = getattr(value, "note", None)
        return type(value), note, {key: shown(value[key]) for key in value}
    if isinstance(value, (str, bytes)) or not isinstance(value, collections.abc.Sequence):
        return repr(value)
    return type(value), [shown(part) for part in value]


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("how", ["default_collate", "default_convert"])
def test_batches_of_anything(name, how):
    theirs, ours = both(lambda t, d: shown(getattr(d, how)(BATCHES[name](t))))
    assert ours == theirs


@pytest.mark.parametrize("name", BATCHES)
def test_on_host_a_batch_is_the_same(name):
    """What a worker makes without tensors becomes the tensors that this process would make."""

    def on_host(t, d):
        with data.collating.on_host():
            return data.default_collate(BATCHES[name](kuai))

    def expected(t, d):
        return shown(data.default_collate(BATCHES[name](kuai)))

    (_, made), (_, reference) = both(on_host), both(expected)
    failed = isinstance(made, tuple) and made and isinstance(made[0], type)
    if name in ("with gradients", "parameters"):
        with pytest.raises(RuntimeError, match="Cowardly refusing to serialize"):
            arrived(made)
        return
    assert (made if failed else shown(arrived(made))) == reference


def arrived(value):
    """A batch that has been sent."""
    parcel = Parcel(value)
    return unpacked([bytearray(part) for part in parcel.parts])
