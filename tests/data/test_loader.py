"""Loaders and samplers beside torch's."""

import collections

import numpy as np
import pytest
import torch
import torch.utils.data

import kuai
from kuai import data


def datasets(count=7):
    rows = np.arange(count * 2, dtype="float32").reshape(count, 2)
    theirs = torch.utils.data.TensorDataset(torch.tensor(rows), torch.arange(count))
    return theirs, data.TensorDataset(kuai.tensor(rows), kuai.arange(count))


@pytest.mark.parametrize("options", [dict(batch_size=3), dict(batch_size=3, drop_last=True), {}])
def test_batches_in_order(options):
    theirs, ours = datasets()
    expected = list(torch.utils.data.DataLoader(theirs, **options))
    loader = data.DataLoader(ours, **options)
    found = list(loader)
    assert len(found) == len(loader) == len(expected)
    for ours_batch, theirs_batch in zip(found, expected, strict=True):
        for mine, reference in zip(ours_batch, theirs_batch, strict=True):
            assert mine.tolist() == reference.tolist()
            assert str(mine.dtype) == str(reference.dtype)


def test_shuffling_is_seeded_and_new_in_every_pass():
    _, ours = datasets(20)

    def orders(seed):
        generator = kuai.Generator().manual_seed(seed)
        loader = data.DataLoader(ours, batch_size=4, shuffle=True, generator=generator)
        return [[int(y) for _, labels in loader for y in labels.tolist()] for _ in range(2)]

    first, second = orders(0)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(20))
    assert orders(0) == [first, second]
    assert orders(1) != [first, second]


def test_without_a_batch_size_samples_come_one_by_one():
    _, ours = datasets(2)
    assert [int(label) for _, label in data.DataLoader(ours, batch_size=None)] == [0, 1]


def test_a_data_set_of_ones_own():
    class Squares(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return {"x": index, "y": float(index**2)}

    batches = list(data.DataLoader(Squares(), batch_size=2))
    assert [batch["y"].tolist() for batch in batches] == [[0.0, 1.0], [4.0, 9.0]]
    collated = list(data.DataLoader(Squares(), batch_size=2, collate_fn=len))
    assert collated == [2, 2]


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "batch", [[1, 2], [1.5, 2.5], [True, False], [np.ones(2), np.zeros(2)], [Pair(1, 2.0)] * 2]
)
def test_collating(batch):
    expected = torch.utils.data.default_collate(batch)
    found = data.default_collate(batch)
    assert type(found).__name__ == type(expected).__name__
    for mine, reference in zip(found, expected, strict=True):
        assert mine.tolist() == reference.tolist()
        assert str(mine.dtype) == str(reference.dtype)


@pytest.mark.parametrize(
    "options",
    [
        dict(sampler=[0], shuffle=True),
        dict(batch_sampler=[[0]], batch_size=2),
        dict(batch_size=None, drop_last=True),
        dict(batch_size=0),
        dict(batch_size=2, drop_last=3),
    ],
)
def test_options_that_do_not_go_together(options):
    theirs, ours = datasets()
    with pytest.raises(ValueError) as expected:
        torch.utils.data.DataLoader(theirs, **options)
    with pytest.raises(ValueError) as found:
        data.DataLoader(ours, **options)
    assert str(found.value) == str(expected.value)


def test_tensors_of_different_length():
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(kuai.ones(2), kuai.ones(3))


# Workers ------------------------------------------------------------------------------------------


OPTIONS = [
    dict(num_workers=-1),
    dict(timeout=-1),
    dict(prefetch_factor=2),
    dict(num_workers=1, prefetch_factor=-1),
    dict(persistent_workers=True),
    dict(multiprocessing_context="fork"),
    dict(num_workers=1, multiprocessing_context="nope"),
    dict(num_workers=1, multiprocessing_context=3),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_refused_options_about_workers(options):
    theirs, ours = datasets()
    with pytest.raises((ValueError, TypeError)) as expected:
        torch.utils.data.DataLoader(theirs, **options)
    with pytest.raises(type(expected.value)) as found:
        data.DataLoader(ours, **options)
    assert str(found.value) == str(expected.value)


def test_workers_change_no_batch():
    theirs, ours = datasets()
    options = dict(num_workers=2, persistent_workers=True, timeout=600)
    reference = torch.utils.data.DataLoader(theirs, 3, **options)
    loader = data.DataLoader(ours, 3, **options)
    assert [y.tolist() for _, y in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    for name in (*options, "prefetch_factor", "worker_init_fn", "in_order", "pin_memory_device"):
        assert getattr(loader, name) == getattr(reference, name)


@pytest.mark.parametrize(
    "options", [dict(num_samples=0), dict(num_samples=2.5), dict(replacement=1)]
)
def test_refused_options_of_a_random_sampler(options):
    with pytest.raises((ValueError, TypeError)) as expected:
        torch.utils.data.RandomSampler("abc", **options)
    with pytest.raises(type(expected.value)) as found:
        data.RandomSampler("abc", **options)
    assert str(found.value) == str(expected.value)


def test_more_samples_than_there_are():
    order = list(data.RandomSampler("abcd", num_samples=10))
    assert len(order) == 10
    assert sorted(order[:4]) == sorted(order[4:8]) == [0, 1, 2, 3]


def test_samples_with_replacement():
    order = list(data.RandomSampler("ab", replacement=True, num_samples=100))
    assert set(order) == {0, 1} and len(order) == 100
    assert len(set(zip(order[::2], order[1::2], strict=True))) == 4


class Stream:
    """What makes a stream of a library."""

    def __new__(cls, d):
        return type("Stream", (d.IterableDataset,), {"__iter__": lambda self: iter([1])})()


REFUSED = {
    "shuffled stream": lambda d: d.DataLoader(Stream(d), shuffle=True),
    "sampled stream": lambda d: d.DataLoader(Stream(d), sampler=[0]),
    "batched stream": lambda d: d.DataLoader(Stream(d), batch_sampler=[[0]]),
    "length of a stream": lambda d: len(d.DataLoader(Stream(d))),
    "shuffled nothing": lambda d: d.DataLoader([], shuffle=True),
    "draws from nothing": lambda d: list(d.RandomSampler([], num_samples=2)),
    "replaced nothing": lambda d: list(d.RandomSampler([], True, 2)),
    "new batch size": lambda d: setattr(d.DataLoader("ab"), "batch_size", 3),
    "new data": lambda d: setattr(d.DataLoader("ab"), "dataset", "c"),
    "new context": lambda d: setattr(d.DataLoader("ab"), "multiprocessing_context", "spawn"),
    "broken size": lambda d: d.DataLoader("ab", batch_size=2.0),
    "nothing ahead": lambda d: iter(d.DataLoader("ab", num_workers=1, prefetch_factor=0)),
    "time for no worker": lambda d: iter(d.DataLoader("ab", timeout=1)),
    "by place": lambda d: d.DataLoader(*"ab", *[None] * 12),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    found = []
    for d in (torch.utils.data, data):
        with pytest.raises(
            (ValueError, TypeError, RuntimeError, ArithmeticError, AssertionError)
        ) as error:
            REFUSED[name](d)
        found.append((error.type, str(error.value).replace("test_loader.Stream", "Stream")))
    assert found[0] == found[1]


@pytest.mark.parametrize("batch_size", [1, None])
@pytest.mark.parametrize("samples", [[], [1], {"a": 1}], ids=str)
def test_passes_over_few_samples(samples, batch_size):
    order = dict(sampler=list(samples)) if isinstance(samples, dict) else {}
    ours = data.DataLoader(samples, batch_size, **order)
    theirs = torch.utils.data.DataLoader(samples, batch_size, **order)
    assert [int(b) for b in ours] == [int(b) for b in theirs]
    assert len(ours) == len(theirs)


class Foreign:
    """A loader of a package's own around PyTorch's iterators, as fastai's is."""

    _IterableDataset_len_called, _auto_collation, drop_last, in_order = None, False, False, True
    _index_sampler, generator, prefetch_factor = range(100), None, 2
    pin_memory, pin_memory_device, timeout, worker_init_fn = False, "", 0, None
    persistent_workers, _dataset_kind, num_workers = False, 1, 0

    @property
    def dataset(self):
        return self

    @staticmethod
    def collate_fn(batch):
        return batch

    def __iter__(self):
        return iter(["a", "b"])


def test_an_iterator_takes_a_loader_of_another_kind():
    for d in (torch.utils.data.dataloader, kuai.utils.data.dataloader):
        assert list(d._SingleProcessDataLoaderIter(Foreign())) == ["a", "b"]
