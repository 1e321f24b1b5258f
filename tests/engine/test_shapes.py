"""The dry run computes shapes, makes lazy layers real, and changes nothing else."""

import pytest

import kuai
from kuai import nn


def test_shapes_of_a_lazy_network():
    net = nn.Sequential(
        nn.LazyConv2d(6, 5, padding=2),
        nn.LazyBatchNorm2d(),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.LazyLinear(10),
    )
    assert kuai.infer_shapes(net, (4, 1, 28, 28)) == (4, 10)
    assert net[0].weight.shape == (6, 1, 5, 5)
    assert net[5].in_features == 6 * 14 * 14
    assert net[1].num_batches_tracked.item() == 0
    assert net[1].running_mean.eq(0).all()


def test_nothing_is_computed_and_random_numbers_stay():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    state = kuai.get_rng_state()
    assert kuai.infer_shapes(net, (10**9, 3)) == (10**9, 2)  # 12 GB, if it were computed
    assert kuai.get_rng_state().equal(state)
    assert all(p.grad is None for p in net.parameters())


def test_nested_results_and_integer_inputs():
    table = nn.Embedding(10, 4)
    ids = kuai.zeros(2, 3, dtype=kuai.int64)
    found = kuai.infer_shapes(lambda i, x: {"rows": table(i), "sum": x.sum()}, ids, (5,))
    assert found == {"rows": (2, 3, 4), "sum": ()}


def test_wrong_shapes_and_arguments_are_explained():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied") as caught:
        kuai.infer_shapes(net, (4, 3))
    assert "in block 1 (Linear) of Sequential" in caught.value.__notes__[-1]
    with pytest.raises(TypeError, match="a shape .* or a tensor"):
        kuai.infer_shapes(net, "4x3")


def test_what_was_made_inside_is_not_kept():
    kept = []

    def keep(x):
        kept.append(x)
        return x

    kuai.infer_shapes(keep, (2,))
    with pytest.raises(kuai.errors.LeakedTensorError):
        kept[0] + 1
