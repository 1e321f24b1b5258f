"""Tensors and modules under JAX's own transforms and optax."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kuai
from kuai import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.scale = 2.0

    def forward(self, x):
        return self.second(self.first(x).tanh()) * self.scale


def loss(net, x):
    return net(x).pow(2).mean()


def test_tensor_is_a_pytree():
    x = kuai.tensor([1.0, 2.0], requires_grad=True)
    (leaf,) = jax.tree.leaves(x)
    assert isinstance(leaf, jax.Array)
    doubled = jax.tree.map(lambda a: a * 2, x)
    assert doubled.tolist() == [2.0, 4.0] and doubled.requires_grad
    assert jax.jit(lambda t: t.sin() + 1)(x).shape == (2,)


def test_module_keeps_class_ties_and_keys():
    net = Net()
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(net)]
    assert [p.split("[")[0] for p in paths] == [".first.weight", ".first.bias", ".second.bias"]
    doubled = jax.tree.map(lambda a: a * 2, net)
    assert type(doubled) is Net and doubled.first.weight is doubled.second.weight
    assert isinstance(doubled.first.weight, nn.Parameter) and doubled.scale == 2.0
    np.testing.assert_array_equal(doubled.first.bias.detach(), net.first.bias.detach() * 2)
    assert list(doubled.state_dict()) == list(net.state_dict())
    assert copy.deepcopy(doubled)(kuai.ones(1, 3)).shape == (1, 3)


def test_jit_compiles_once_and_sees_changes():
    traced = []

    @jax.jit
    def run(net, x):
        traced.append(1)
        return net(x)

    net, x = nn.Sequential(Net(), nn.BatchNorm1d(3)), kuai.randn(4, 3)
    net.eval()
    for _ in range(3):
        np.testing.assert_allclose(run(net, x).detach(), net(x).detach(), rtol=1e-5, atol=1e-6)
    run(jax.tree.map(lambda a: a * 2, net), x)
    assert len(traced) == 1
    net[0].scale = 3.0
    np.testing.assert_allclose(run(net, x).detach(), net(x).detach(), rtol=1e-5, atol=1e-6)
    assert len(traced) == 2
    net.train()
    run(net, x)
    assert len(traced) == 3
    net[0].register_forward_hook(lambda *_: None)
    run(net, x)
    assert len(traced) == 4


def test_grad_is_the_tapes():
    net, x = Net(), kuai.randn(4, 3)
    found = jax.grad(lambda n, x: loss(n, x).__jax_array__())(net, x)
    loss(net, x).backward()
    for mine, parameter in zip(found.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(mine.detach(), parameter.grad, rtol=1e-4, atol=1e-6)


def test_vmap_over_a_module_axis():
    nets = [Net() for _ in range(3)]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *nets)
    x = kuai.randn(2, 3)
    made = jax.vmap(lambda net, x: net(x), in_axes=(0, None))(stacked, x)
    for row, net in zip(made.detach(), nets, strict=True):
        np.testing.assert_allclose(row, net(x).detach(), rtol=1e-4, atol=1e-6)


def test_optax_trains_a_partitioned_network():
    kuai.manual_seed(0)
    net, x = nn.Sequential(Net(), nn.BatchNorm1d(3), Net()), kuai.randn(8, 3)
    parameters, rest = kuai.func.partition(net)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(parameters)

    @jax.jit
    def step(parameters, state):
        def of(parameters):
            return loss(kuai.func.combine(parameters, rest), x).__jax_array__()

        value, gradients = jax.value_and_grad(of)(parameters)
        updates, state = optimizer.update(gradients, state, parameters)
        return value, optax.apply_updates(parameters, updates), state

    values = []
    for _ in range(5):
        value, parameters, state = step(parameters, state)
        values.append(float(value))
    assert values == sorted(values, reverse=True) and values[-1] < values[0]
    assert kuai.func.combine(parameters, rest)(x).shape == (8, 3)


def test_module_as_argument_of_a_compiled_function():
    net = nn.Linear(2, 2)
    run = kuai.compile(lambda net, x: (net, net(x)), fullgraph=True)
    same, _ = run(net, kuai.ones(1, 2))
    assert same is net
    with kuai.no_grad():
        net.weight.zero_()
    assert (run(net, kuai.ones(1, 2))[1] - net.bias).abs().max() == 0


def test_a_buffer_that_counts_cannot_be_differentiated():
    with pytest.raises(TypeError, match="int64"):
        jax.grad(lambda n: 0.0)(nn.BatchNorm1d(2))
