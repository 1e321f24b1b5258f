"""Pruning against torch's."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.utils.prune

import kuai

WEIGHT = np.random.default_rng(0).standard_normal((4, 6)).astype("float32")


def prune_of(t):
    return t.nn.utils.prune


def layer(t):
    net = t.nn.Linear(6, 4)
    with t.no_grad():
        net.weight.copy_(t.tensor(WEIGHT))
        net.bias.copy_(t.tensor(WEIGHT[0, :4]))
    return net


def twice(t):
    net = prune_of(t).ln_structured(layer(t), "weight", 1, n=2, dim=0)
    return prune_of(t).l1_unstructured(net, "weight", 0.25)


def structured_twice(t):
    net = prune_of(t).ln_structured(layer(t), "weight", 0.5, n=1, dim=1)
    return prune_of(t).ln_structured(net, "weight", 2, n=float("inf"), dim=0)


def together(t):
    net = layer(t)
    pairs = [(net, "weight"), (net, "bias")]
    prune_of(t).global_unstructured(pairs, prune_of(t).L1Unstructured, amount=0.4)
    return net


def by_scores(t):
    scores = t.arange(24.0).reshape(4, 6)
    return prune_of(t).l1_unstructured(layer(t), "weight", 5, importance_scores=scores)


CASES = {
    "identity": lambda t: prune_of(t).identity(layer(t), "bias"),
    "l1": lambda t: prune_of(t).l1_unstructured(layer(t), "weight", 0.3),
    "l1 none": lambda t: prune_of(t).l1_unstructured(layer(t), "weight", 0),
    "l1 all": lambda t: prune_of(t).l1_unstructured(layer(t), "weight", 1.0),
    "ln rows": lambda t: prune_of(t).ln_structured(layer(t), "weight", 2, n=2, dim=0),
    "ln last": lambda t: prune_of(t).ln_structured(layer(t), "weight", 0.5, n=1, dim=-1),
    "mask": lambda t: prune_of(t).custom_from_mask(
        layer(t), "weight", t.tensor(WEIGHT > 0).float()
    ),
    "twice": twice,
    "structured twice": structured_twice,
    "together": together,
    "scores": by_scores,
}


@pytest.mark.parametrize("name", CASES)
def test_same_masks_outputs_and_gradients(name):
    found = []
    for t in (torch, kuai):
        net = CASES[name](t)
        x = t.linspace(-1, 1, 12).reshape(2, 6)
        (net(x) ** 2).sum().backward()
        state = {key: value.numpy() for key, value in net.state_dict().items()}
        grads = {key: p.grad.numpy() for key, p in net.named_parameters()}
        found.append((state, grads, net(x).detach().numpy(), prune_of(t).is_pruned(net)))
    theirs, ours = found
    for expected, got in zip(theirs[:2], ours[:2], strict=True):
        assert list(got) == list(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-5, atol=1e-6)
    assert ours[3] is theirs[3] is True


@pytest.mark.parametrize("amount", [5, 0.25])
def test_random_pruning_takes_as_many(amount):
    prune = prune_of(kuai)
    net = prune.random_unstructured(layer(kuai), "weight", amount)
    assert net.weight_mask.sum().item() == 24 - (5 if amount == 5 else 6)
    net = prune.random_structured(layer(kuai), "weight", 0.5, dim=1)
    assert sorted(net.weight_mask.sum(0).tolist()) == [0.0] * 3 + [4.0] * 3


def test_a_trained_network_stays_sparse_and_can_be_copied():
    prune, net = prune_of(kuai), CASES["l1"](kuai)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(kuai.ones(2, 6)).sum().backward()
        optimizer.step()
    with kuai.no_grad():
        net(kuai.ones(2, 6))
    twin = copy.deepcopy(net)
    assert prune.is_pruned(twin)
    for each in (net, twin):
        prune.remove(each, "weight")
        assert (each.weight == 0).sum().item() == 7
        assert not prune.is_pruned(each)
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(net, "weight")


WRONG = {
    "kind": lambda p: p.L1Unstructured("x"),
    "part": lambda p: p.L1Unstructured(1.5),
    "negative": lambda p: p.RandomUnstructured(-1),
    "many": lambda p: p.L1Unstructured(30).prune(layer_of(p).weight),
    "vector": lambda p: p.LnStructured(1, 2, 0).prune(layer_of(p).bias),
    "dim": lambda p: p.LnStructured(1, 2, 2).prune(layer_of(p).weight),
    "structured": lambda p: p.global_unstructured(
        [(layer_of(p), "weight")], p.LnStructured, amount=1, n=2
    ),
    "no list": lambda p: p.global_unstructured(5, p.L1Unstructured, amount=1),
}


def layer_of(prune):
    return layer(torch if prune is torch.nn.utils.prune else kuai)


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    said = []
    for t in (torch, kuai):
        with pytest.raises((TypeError, ValueError, IndexError)) as found:
            WRONG[name](prune_of(t))
        said.append((found.type, str(found.value).replace("kuai", "torch")))
    assert said[0] == said[1]


def test_a_failing_method_leaves_the_module_as_it_was():
    net = layer(kuai)
    with pytest.raises(ValueError):
        prune_of(kuai).l1_unstructured(net, "weight", 30)
    assert [name for name, _ in net.named_parameters()] == ["bias", "weight"]
    assert net(kuai.ones(1, 6)).shape == (1, 4)
