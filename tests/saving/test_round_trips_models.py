"""State dicts of networks, optimizers and schedulers, there and back between the libraries."""

import io
from collections import OrderedDict

import pytest
import torch

import kuai
from kuai.vision.models import resnet18
from tests.saving.sameness import assert_same_values, bits


def lenet(lib):
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 10)),
    )


def encoder(lib):
    layer = lib.nn.TransformerEncoderLayer(16, 2, dim_feedforward=32, batch_first=True)
    return lib.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def tied(lib):
    """A language model whose output layer is its embedding."""
    nn = lib.nn
    net = nn.Sequential(OrderedDict(embedding=nn.Embedding(7, 4), out=nn.Linear(4, 7, bias=False)))
    net.out.weight = net.embedding.weight
    return net


NETWORKS = {
    "LeNet": lenet,
    "LSTM": lambda lib: lib.nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2),
    "GRU": lambda lib: lib.nn.GRU(3, 4, bias=False),
    "encoder": encoder,
    "attention": lambda lib: lib.nn.MultiheadAttention(8, 2, kdim=4, vdim=6),
    "tied": tied,
    "half": lambda lib: lenet(lib).bfloat16(),
    "frozen": lambda lib: lib.nn.Linear(2, 2).requires_grad_(False),
}


def save(lib, obj) -> io.BytesIO:
    file = io.BytesIO()
    lib.save(obj, file)
    file.seek(0)
    return file


def here_and_there(state_here, state_there):
    """Both state dicts in the other library's hands."""
    there = torch.load(save(kuai, state_here), weights_only=True)
    return kuai.load(save(torch, state_there)), there


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    ours, theirs = NETWORKS[name](kuai), NETWORKS[name](torch)
    here, there = here_and_there(ours.state_dict(), theirs.state_dict())
    assert_same_values(here, theirs.state_dict())
    assert_same_values(ours.state_dict(), there)
    assert repr(ours.load_state_dict(here)) == "<All keys matched successfully>"
    assert_same_values(ours.state_dict(), theirs.state_dict())
    fresh = NETWORKS[name](torch)
    fresh.load_state_dict(there)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_by_safetensors(name, tmp_path):
    ours, theirs = NETWORKS[name](kuai), NETWORKS[name](torch)
    ours.load_state_dict(kuai.load(save(torch, theirs.state_dict())))
    kuai.save(ours.state_dict(), tmp_path / "net.safetensors")
    found = kuai.load(tmp_path / "net.safetensors")
    fresh = NETWORKS[name](kuai)
    fresh.load_state_dict(found)
    for key, value in theirs.state_dict().items():
        assert bits(fresh.state_dict()[key]) == bits(value)


def test_resnet():
    """Its state goes to PyTorch and comes back, bit for bit."""
    net = resnet18(num_classes=3)
    there = torch.load(save(kuai, net.state_dict()), weights_only=True)
    assert len(there) == 122
    assert_same_values(net.state_dict(), there)
    fresh = resnet18(num_classes=3)
    fresh.load_state_dict(kuai.load(save(torch, there)))
    assert_same_values(fresh.state_dict(), there)


def test_tied_weights_stay_tied():
    ours, theirs = tied(kuai), tied(torch)
    for found in here_and_there(ours.state_dict(), theirs.state_dict()):
        found["embedding.weight"].fill_(7)
        assert found["out.weight"].tolist() == [[7.0] * 4] * 7


# Optimizers and schedulers ------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": ("SGD", {}),
    "SGD with momentum": ("SGD", {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    "Adam": ("Adam", {}),
    "Adam with amsgrad": ("Adam", {"amsgrad": True, "betas": (0.8, 0.9)}),
    "AdamW": ("AdamW", {"weight_decay": 0.1}),
}


def steps(lib, optimizer, weights, count=2):
    """Steps with gradients that need no arithmetic, so that both libraries do the same."""
    for number in range(count):
        for weight in weights:
            weight.grad = lib.ones_like(weight) * (0.5 + number)
        optimizer.step()


def trained(lib, name):
    kind, options = OPTIMIZERS[name]
    weights = [lib.nn.Parameter(lib.ones(2, 3)), lib.nn.Parameter(lib.zeros(2))]
    groups = [{"params": weights[:1], "lr": 0.25}, {"params": weights[1:]}]
    optimizer = getattr(lib.optim, kind)(groups, lr=0.5, **options)
    steps(lib, optimizer, weights)
    return optimizer, weights


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    (ours, our_weights), (theirs, their_weights) = trained(kuai, name), trained(torch, name)
    here, there = here_and_there(ours.state_dict(), theirs.state_dict())
    assert_same_values(here, theirs.state_dict())
    assert_same_values(ours.state_dict(), there)
    ours.load_state_dict(here)
    theirs.load_state_dict(there)
    steps(kuai, ours, our_weights)
    steps(torch, theirs, their_weights)
    assert_same_values(our_weights, their_weights, rtol=1e-5)


SCHEDULERS = {
    "StepLR": ((2,), {}),
    "MultiStepLR": (([1, 3],), {}),
    "ExponentialLR": ((0.9,), {}),
    "ConstantLR": ((), {"total_iters": 2}),
    "LinearLR": ((), {"total_iters": 3}),
    "PolynomialLR": ((), {"total_iters": 4}),
    "CosineAnnealingLR": ((4,), {}),
    "CosineAnnealingWarmRestarts": ((3,), {}),
    "OneCycleLR": ((0.5,), {"total_steps": 8}),
    "ReduceLROnPlateau": ((), {"patience": 0}),
}


def scheduled(lib, name, count=3):
    optimizer, _ = trained(lib, "SGD with momentum")
    arguments, options = SCHEDULERS[name]
    scheduler = getattr(lib.optim.lr_scheduler, name)(optimizer, *arguments, **options)
    for _ in range(count):
        optimizer.step()
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
    return optimizer, scheduler


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(name):
    """The state of one library's scheduler lets the other's go on."""
    (_, ours), (_, theirs) = scheduled(kuai, name), scheduled(torch, name)
    here, there = here_and_there(ours.state_dict(), theirs.state_dict())
    assert set(here) == set(there)
    fresh_optimizer, fresh = scheduled(kuai, name, count=0)
    fresh.load_state_dict(here)
    their_optimizer, their_fresh = scheduled(torch, name, count=0)
    their_fresh.load_state_dict(there)
    for optimizer, scheduler in ((fresh_optimizer, fresh), (their_optimizer, their_fresh)):
        optimizer.step()
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
    assert_same_values(fresh.get_last_lr(), their_fresh.get_last_lr(), rtol=1e-12)
    assert fresh.last_epoch == their_fresh.last_epoch
