"""What is written to a parameter without a shape is done when its shape is known."""

import copy
import pickle

import pytest

import kuai
from kuai import nn


def written(layer):
    layer.weight.data.fill_(2.0)
    layer.weight.data *= 3
    layer.weight.data[0] = 1.0
    nn.init.zeros_(layer.bias)
    return layer


def is_written(layer):
    layer(kuai.ones(2, 3, dtype=layer.weight.dtype))
    rows = layer.weight.tolist()
    return rows == [[1.0] * 3, [6.0] * 3] and layer.bias.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "changed",
    [
        lambda layer: layer,
        copy.deepcopy,
        lambda layer: pickle.loads(pickle.dumps(layer)),
        lambda layer: layer.double(),
    ],
)
def test_written_in_order_after_the_layers_own_initialization(changed):
    layer = changed(written(nn.LazyLinear(2)))
    assert is_written(layer)
    assert type(layer.weight) is nn.Parameter
    assert layer.weight.is_leaf and layer.weight.requires_grad


def test_drawn_with_the_deviation_asked_for():
    net = nn.Sequential(nn.LazyLinear(50), nn.ReLU(), nn.LazyLinear(2))
    net[0].weight.data.normal_(0, 0.01)
    net[0].bias.data.fill_(0)
    nn.init.xavier_uniform_(net[2].weight)
    net(kuai.ones(1, 400))
    assert abs(net[0].weight.std().item() - 0.01) < 5e-4
    assert net[2].weight.abs().max().item() <= (6 / 52) ** 0.5


def test_inside_a_compiled_function_and_a_dry_run():
    layer = written(nn.LazyLinear(2))
    run = kuai.compile(lambda x: layer(x))
    assert run(kuai.ones(1, 3)).tolist() == [[3.0, 18.0]]
    layer = written(nn.LazyLinear(2))
    kuai.infer_shapes(layer, kuai.ones(1, 3))
    assert is_written(layer)


def test_buffers_and_convolutions():
    norm = nn.LazyBatchNorm1d()
    norm.running_var.fill_(3.0)
    norm.eval()(kuai.ones(2, 3))
    assert norm.running_var.tolist() == [3.0] * 3
    layer = nn.LazyConv2d(3, 3)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    layer(kuai.ones(1, 2, 4, 4))
    assert layer.weight.shape == (3, 2, 3, 3)


def test_loaded_values_are_kept():
    layer = written(nn.LazyLinear(2))
    state = nn.Linear(3, 2).state_dict()
    layer.load_state_dict(state)
    layer(kuai.ones(1, 3))
    assert layer.weight.tolist() == state["weight"].tolist()


def test_materialized_by_hand():
    weight = nn.UninitializedParameter()
    with kuai.no_grad():
        weight.uniform_(1, 2)
    weight.materialize((4,))
    assert all(1 <= value < 2 for value in weight.tolist())


def test_a_parameter_that_requires_gradients_is_not_written_to():
    with pytest.raises(RuntimeError, match="leaf Variable"):
        nn.LazyLinear(2).weight.normal_()
