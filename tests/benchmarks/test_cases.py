"""The benchmark's contenders do the same work: small versions of its cases, a few steps each."""

import importlib.util
from dataclasses import replace

import pytest

from benchmarks.cases import CASES
from benchmarks.cases.convolutions import convolution
from benchmarks.cases.embedding import embedding
from benchmarks.cases.gpt import gpt
from benchmarks.cases.graph import gcn
from benchmarks.cases.lstm import lstm
from benchmarks.cases.mlp import perceptron
from benchmarks.cases.mobilenet import mobilenet
from benchmarks.cases.pictures import generator, unet
from benchmarks.cases.resnet import resnet
from benchmarks.cases.sequences import gru, tcn
from benchmarks.cases.small_layers import small_layers
from benchmarks.cases.transformer import transformer
from benchmarks.cases.vit import vit
from benchmarks.contenders import CONTENDERS, MODULES, why_not

SMALL = {
    "mlp": perceptron("", [3, 5, 4], batch=6, lr=0.1),
    "resnet": resnet("", [1, 1], bottleneck=False, batch=2, size=32),
    "lstm": lstm("", batch=3, steps=5, inputs=4, hidden=6),
    "transformer": transformer(
        "", layers=1, batch=2, steps=4, size=8, heads=2, feedforward=12, dropout=0.0
    ),
    "embedding": embedding("", batch=3, words=4, rows=11, size=5),
}
LAYERS = {
    "mobilenet": mobilenet("", batch=2, size=16, stages=((1, 8, 1, 1), (2, 8, 2, 2))),
    "dcgan": generator("", batch=2, width=2, size=16),
    "unet": unet("", batch=1, size=8, width=8, levels=2),
    "gru": gru("", batch=3, steps=5, inputs=4, hidden=6),
    "tcn": tcn("", batch=2, steps=12, channels=6, levels=2),
    "gpt": gpt("", 2, 6, words=11, layers=1, size=8, heads=2),
    "gpt_autocast": gpt(
        "", 2, 6, words=11, layers=1, size=8, heads=2, autocast="bfloat16", tolerance=3e-2
    ),
    "vit": vit("", batch=2, size=8, patch=4, layers=1, width=8, heads=2),
    "small_layers": small_layers("", count=2, width=6, batch=3),
    "gcn": gcn("", nodes=7, edges=20, inputs=5, hidden=4),
    "conv3d": convolution("", 2, 4, (5, 5, 5), 3, stride=2, groups=2),
    "mlp_float64": replace(perceptron("", [3, 5, 4], batch=6, lr=0.1), dtype="float64"),
    "mlp_bfloat16": replace(
        perceptron("", [3, 5, 4], batch=6, lr=0.1), dtype="bfloat16", tolerance=3e-2
    ),
}
SMALL |= {f"{name}_inference": case.for_inference() for name, case in SMALL.items()}
SMALL |= LAYERS


def losses(contender, case, steps=3):
    step, wait = CONTENDERS[contender](case)
    return [wait(step()) for _ in range(steps)]


@pytest.mark.parametrize("name", SMALL)
def test_kuai_computes_what_pytorch_does(name):
    pytest.importorskip("torch")
    expected = losses("PyTorch eager", SMALL[name])
    assert losses("Kuai compiled", SMALL[name]) == pytest.approx(
        expected, rel=1e-4 if SMALL[name].tolerance < 1e-2 else 3e-2
    )


@pytest.mark.parametrize("name", CASES)
def test_who_takes_part(name):
    reasons = {contender: why_not(CASES[name], contender) for contender in CONTENDERS}
    assert reasons["Kuai compiled"] is None
    assert reasons["PyTorch eager"] is None
    assert all(reason is None or reason for reason in reasons.values())


def test_every_contender_has_a_module():
    assert MODULES.keys() == CONTENDERS.keys()
    assert importlib.util.find_spec(MODULES["Kuai compiled"]) is not None
