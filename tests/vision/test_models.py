"""The models: the numbers of their papers, torchvision's names, and the same source on torch."""

import importlib
import inspect
import types

import numpy as np
import pytest
import torch

import kuai
from kuai.vision import models

#: What torchvision's models of these names have.
PARAMETERS = {
    "alexnet": 61_100_840,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


def on_torch(name):
    """A model's file, run with torch in the place of Kuai."""
    source = inspect.getsource(importlib.import_module(f"kuai.vision.models.{name}"))
    source = source.replace("from kuai.engine.tensor import", "from torch import")
    module = types.ModuleType(f"{name}_on_torch")
    exec(source.replace("from kuai.nn import", "from torch.nn import"), module.__dict__)
    return module


def described(name):
    """A whole model on torch's device without memory: names and shapes, and no numbers."""
    with torch.device("meta"):
        return getattr(on_torch(name.rstrip("0123456789")), name)()


@pytest.mark.parametrize("name", PARAMETERS)
def test_number_of_parameters(name):
    assert sum(p.numel() for p in described(name).parameters()) == PARAMETERS[name]


def test_torchvision_names():
    keys = list(described("resnet18").state_dict())
    assert keys[:2] == ["conv1.weight", "bn1.weight"]
    assert "layer1.1.bn2.running_var" in keys
    assert "layer2.0.downsample.0.weight" in keys
    assert keys[-2:] == ["fc.weight", "fc.bias"]
    assert len(keys) == 122
    keys = list(described("alexnet").state_dict())
    assert keys[0] == "features.0.weight"
    assert keys[-1] == "classifier.6.bias"


SMALL = {
    "basic": lambda m: m.ResNet(m.BasicBlock, [1, 1, 2, 1], num_classes=3),
    "bottleneck": lambda m: m.ResNet(m.Bottleneck, [1, 1, 1, 1], 3, groups=2, width_per_group=8),
    "dilated": lambda m: m.ResNet(
        m.Bottleneck, [1, 1, 1, 1], 3, replace_stride_with_dilation=[False, True, True]
    ),
}


@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL.keys())
def test_resnet_computes_the_same_on_torch(make):
    ours, theirs = make(models.resnet), make(on_torch("resnet"))
    assert repr(ours) == repr(theirs)
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    ours.load_state_dict({name: kuai.tensor(value) for name, value in state.items()})
    pictures = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype("float32")
    outputs = [net.eval()(t.tensor(pictures)) for net, t in ((ours, kuai), (theirs, torch))]
    np.testing.assert_allclose(*(o.detach().numpy() for o in outputs), rtol=1e-3, atol=1e-4)


def test_resnet_learns_in_a_compiled_step():
    net = models.resnet.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=2)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.01)

    @kuai.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = kuai.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = kuai.randn(4, 3, 32, 32), kuai.tensor([0, 1, 0, 1])
    losses = [step(x, y).item() for _ in range(4)]
    assert losses[-1] < losses[0]


def test_alexnet_computes_the_same_on_torch():
    ours = models.alexnet(num_classes=2)
    theirs = on_torch("alexnet").alexnet(num_classes=2)
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({n: torch.tensor(v.numpy()) for n, v in ours.state_dict().items()})
    pictures = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype("float32")
    outputs = [net.eval()(t.tensor(pictures)) for net, t in ((ours, kuai), (theirs, torch))]
    np.testing.assert_allclose(*(o.detach().numpy() for o in outputs), rtol=1e-4, atol=1e-6)


def test_blocks_start_as_the_identity_with_zero_init_residual():
    net = models.resnet.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], 2, zero_init_residual=True)
    assert net.layer1[0].bn2.weight.abs().max().item() == 0.0
    x = kuai.rand(1, 64, 4, 4)
    np.testing.assert_allclose(net.layer1.eval()(x).tolist(), x.tolist(), rtol=1e-6)


def test_trained_weights_are_refused():
    with pytest.raises(ValueError, match="no trained weights come with Kuai"):
        models.resnet18(weights="DEFAULT")
