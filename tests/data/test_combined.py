"""Data sets made of others, and samplers, beside PyTorch's."""

import numpy as np
import pytest
import torch.utils.data

import kuai.utils.data

LIBRARIES = pytest.mark.parametrize("d", [torch.utils.data, kuai.utils.data], ids=["torch", "kuai"])


@LIBRARIES
def test_joined_side_by_side_and_parts(d):
    joined = d.ConcatDataset([[1, 2], [3]])
    assert [joined[i] for i in (0, 2, -3)] == [1, 3, 1] and joined.cumulative_sizes == [2, 3]
    assert d.StackDataset([1, 2], "ab")[1] == (2, "b")
    assert d.StackDataset(x=[1, 2], y="ab")[0] == {"x": 1, "y": "a"}
    assert [d.Subset("abcd", [2, 0])[i] for i in range(2)] == ["c", "a"]
    for wrong in (lambda: d.ConcatDataset([]), lambda: d.StackDataset([1], [1, 2])):
        with pytest.raises((AssertionError, ValueError)):
            wrong()


@LIBRARIES
@pytest.mark.parametrize("lengths", [[2, 3], [0.5, 0.5], [0.3, 0.3, 0.4]])
def test_random_split(d, lengths):
    parts = d.random_split(range(5), lengths)
    expected = {2: [[2, 3], [3, 2]], 3: [[2, 1, 2], [1, 1, 3], [2, 2, 1]]}[len(lengths)]
    assert [len(part) for part in parts] in expected
    assert sorted(i for part in parts for i in part) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="does not equal the length"):
        d.random_split(range(5), [1, 1])


def test_random_split_gives_pytorchs_sizes():
    for shares in ([0.5, 0.5], [0.3, 0.3, 0.4], [0.9, 0.1]):
        sizes = [
            [len(part) for part in d.random_split(range(17), shares)]
            for d in (torch.utils.data, kuai.utils.data)
        ]
        assert sizes[0] == sizes[1]


@LIBRARIES
def test_streams(d):
    class Numbers(d.IterableDataset[int]):
        def __iter__(self):
            return iter(range(5))

    batches = [batch.tolist() for batch in d.DataLoader(Numbers(), batch_size=2)]
    assert batches == [[0, 1], [2, 3], [4]]
    assert len(list(d.DataLoader(Numbers(), batch_size=2, drop_last=True))) == 2
    assert [int(x) for x in d.DataLoader(Numbers(), batch_size=None)] == [0, 1, 2, 3, 4]
    assert list(d.ChainDataset([Numbers(), Numbers()])) == [*range(5)] * 2
    with pytest.raises(ValueError, match="expected unspecified shuffle"):
        d.DataLoader(Numbers(), shuffle=True)


@LIBRARIES
def test_samplers(d):
    assert sorted(d.SubsetRandomSampler([4, 7, 9])) == [4, 7, 9]
    assert list(d.WeightedRandomSampler([0.0, 0.0, 2.0], 4)) == [2, 2, 2, 2]
    assert sorted(d.WeightedRandomSampler([1.0, 1.0, 1.0], 3, replacement=False)) == [0, 1, 2]
    drawn = np.bincount(list(d.WeightedRandomSampler([1.0, 3.0], 4000)))
    assert abs(drawn[1] / 4000 - 0.75) < 0.05
    parts = [list(d.DistributedSampler(range(5), 2, r, shuffle=False)) for r in (0, 1)]
    assert parts == [[0, 2, 4], [1, 3, 0]]
    assert len(d.DistributedSampler(range(5), 2, 1, drop_last=True)) == 2
