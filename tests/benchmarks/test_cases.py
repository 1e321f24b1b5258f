"""The benchmark's contenders do the same work: small versions of its cases, a few steps each."""

import importlib.util

import pytest

from benchmarks.cases import CASES
from benchmarks.cases.embedding import embedding
from benchmarks.cases.lstm import lstm
from benchmarks.cases.mlp import perceptron
from benchmarks.cases.resnet import resnet
from benchmarks.cases.transformer import transformer
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
SMALL |= {f"{name}_inference": case.for_inference() for name, case in SMALL.items()}


def losses(contender, case, steps=3):
    step, wait = CONTENDERS[contender](case)
    return [wait(step()) for _ in range(steps)]


@pytest.mark.parametrize("name", SMALL)
def test_kuai_computes_what_pytorch_does(name):
    pytest.importorskip("torch")
    expected = losses("PyTorch eager", SMALL[name])
    assert losses("Kuai compiled", SMALL[name]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_who_takes_part(name):
    reasons = {contender: why_not(CASES[name], contender) for contender in CONTENDERS}
    assert reasons["Kuai compiled"] is None
    assert reasons["PyTorch eager"] is None
    assert all(reason is None or reason for reason in reasons.values())


def test_every_contender_has_a_module():
    assert MODULES.keys() == CONTENDERS.keys()
    assert importlib.util.find_spec(MODULES["Kuai compiled"]) is not None
