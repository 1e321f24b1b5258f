"""Samplers beside torch's. The numbers are other ones, so counts and texts are compared."""

import collections

import numpy as np
import pytest
import torch

import kuai
from kuai import data

REFUSED = {
    "no number": lambda d: d.WeightedRandomSampler([1, 2], 1.5),
    "a flag": lambda d: d.WeightedRandomSampler([1, 2], True),
    "none": lambda d: d.WeightedRandomSampler([1, 2], 0),
    "no flag": lambda d: d.WeightedRandomSampler([1, 2], 1, 1),
    "a table": lambda d: d.WeightedRandomSampler([[1, 2]], 1),
    "too many": lambda d: list(d.WeightedRandomSampler([1.0, 2], 3, replacement=False)),
    "negative": lambda d: list(d.WeightedRandomSampler([1.0, -2], 1)),
    "not finite": lambda d: list(d.WeightedRandomSampler([1.0, float("nan")], 1)),
    "all zero": lambda d: list(d.WeightedRandomSampler([0.0, 0], 1)),
    "rank": lambda d: d.DistributedSampler("abc", 2, 2),
    "negative rank": lambda d: d.DistributedSampler("abc", 2, -1),
    "batches of none": lambda d: d.BatchSampler("abc", 0, False),
    "batches of a flag": lambda d: d.BatchSampler("abc", True, False),
    "no flag for the last": lambda d: d.BatchSampler("abc", 2, 0),
    "base class": lambda d: iter(d.Sampler()),
    "random without samples": lambda d: d.RandomSampler(""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    found = []
    for d in (torch.utils.data, data):
        with pytest.raises((ValueError, TypeError, RuntimeError, NotImplementedError)) as error:
            REFUSED[name](d)
        found.append((error.type, str(error.value)))
    assert found[0] == found[1]


@pytest.mark.parametrize("count", [0, 1, 5, 8, 9])
@pytest.mark.parametrize("replicas", [1, 2, 3, 12])
@pytest.mark.parametrize("drop_last", [True, False])
def test_shares_of_processes(count, replicas, drop_last):
    for rank in range(replicas):
        options = dict(num_replicas=replicas, rank=rank, drop_last=drop_last)
        reference = torch.utils.data.DistributedSampler(range(count), shuffle=False, **options)
        ours = data.DistributedSampler(range(count), shuffle=False, **options)
        assert list(ours) == list(reference)
        assert len(ours) == len(reference)
        assert ours.total_size == reference.total_size


def test_processes_share_every_epoch():
    def orders(epoch, seed=0):
        shares = [data.DistributedSampler(range(10), 2, rank, seed=seed) for rank in (0, 1)]
        for share in shares:
            share.set_epoch(epoch)
        return [list(share) for share in shares]

    first, second = orders(0)
    assert sorted(first + second) == list(range(10))
    assert orders(0) == [first, second] != orders(1)
    assert orders(1) != orders(0, seed=3)


def test_a_single_process_has_everything():
    assert sorted(data.DistributedSampler("abc")) == [0, 1, 2]


@pytest.mark.parametrize("replacement", [True, False])
def test_weights_are_probabilities(replacement):
    weights = [0.0, 1.0, 2.0, 0.0, 5.0, 0.0]
    generator = kuai.Generator().manual_seed(0)
    count = 8000 if replacement else 1
    sampler = data.WeightedRandomSampler(weights, count, replacement, generator)
    assert len(sampler) == count
    passes = 1 if replacement else 4000
    found = collections.Counter(i for _ in range(passes) for i in sampler)
    shares = np.array([found[i] for i in range(6)]) / sum(found.values())
    np.testing.assert_allclose(shares, np.array(weights) / 8, atol=0.03)


def test_without_replacement_nothing_comes_twice():
    generator = kuai.Generator().manual_seed(0)
    sampler = data.WeightedRandomSampler([1, 5, 1, 1], 4, False, generator)
    orders = [list(sampler) for _ in range(20)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_a_subset_at_random():
    generator = kuai.Generator().manual_seed(0)
    sampler = data.SubsetRandomSampler(list("abcdef"), generator)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list("abcdef") and first != second
    assert len(sampler) == 6


def test_samplers_of_ones_own_may_call_the_base_class():
    class Own(data.Sampler[int]):
        def __init__(self, source):
            super().__init__(source)

    assert isinstance(Own("abc"), data.Sampler)


def test_batches_of_an_endless_sampler():
    def endless():
        while True:
            yield 1

    batches = iter(data.BatchSampler(endless(), 2, True))
    assert [next(batches), next(batches)] == [[1, 1], [1, 1]]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize(
    "weights", [[], [0, 0], [-1, 1], [float("nan"), 1], [float("inf"), 1], [1, -1]]
)
def test_weights_that_are_none(weights, replacement, count):
    def told(t):
        with pytest.raises(RuntimeError) as raised:
            list(t.utils.data.WeightedRandomSampler(weights, count, replacement))
        return str(raised.value)

    assert told(kuai) == told(torch)
