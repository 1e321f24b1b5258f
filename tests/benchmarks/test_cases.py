"""The benchmark's contenders do the same work: small versions of its cases, a few steps each."""

import importlib.util
import math
import os
from dataclasses import replace

import pytest

from benchmarks.cases import CASES, GROUPS
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
from benchmarks.comparing import agree, compare
from benchmarks.contenders import CONTENDERS, MODULES, why_not
from benchmarks.gpu.cases import cases as gpu_cases
from benchmarks.gpu.report import table as gpu_table
from benchmarks.run import chosen
from benchmarks.sizes import case_of_size

SMALL = {
    "mlp": perceptron("", [3, 5, 4], batch=6, lr=0.1),
    "resnet": resnet("", [1, 1], bottleneck=False, batch=2, size=32),
    "lstm": lstm("", batch=3, steps=5, inputs=4, hidden=6),
    "transformer": transformer(
        "", layers=1, batch=2, steps=4, size=8, heads=2, feedforward=12, dropout=0.0
    ),
    "embedding": embedding("", batch=3, words=4, rows=11, size=5),
}
#: A run of all tests takes some of the newer ones.
ALL = os.environ.get("KUAI_BENCHMARKS") == "all"
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
SOME = ("mobilenet", "dcgan", "gpt_autocast", "small_layers", "gcn", "mlp_bfloat16")
SMALL |= {name: LAYERS[name] for name in (LAYERS if ALL else SOME)}


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


def test_groups_and_names_stand_for_cases():
    assert chosen(["mlp", "variants", "mlp"]) == ["mlp", *GROUPS["variants"]]
    assert set(chosen(list(GROUPS))) == set(CASES)


def test_who_computes_something_else_is_not_timed():
    results = {
        "PyTorch eager": {"losses": [1.0, 0.5], "step_seconds": []},
        "Kuai compiled": {"losses": [1.0001, 0.5], "step_seconds": []},
        "Equinox": {"losses": [1.0, 0.6], "step_seconds": []},
        "Flax NNX": {"missing": "it is not installed"},
    }
    assert agree(results, 1e-3) == ["Equinox"]
    assert "0.6, not 0.5" in results["Equinox"]["missing"]
    results["PyTorch eager"]["step_seconds"] = [2.0, 4.0, 3.0]
    results["Kuai compiled"]["step_seconds"] = [1.0, 2.0, 1.0]
    compare(results)
    assert results["PyTorch eager"]["ratio"] == 2.0


@pytest.mark.parametrize(
    ("axis", "layers"), [("depth=7", 7), ("width=5", 3), ("parameters=1000", 2)]
)
def test_perceptrons_of_a_size(axis, layers):
    case = case_of_size(axis)
    assert len(case.shapes) == 2 * layers
    if axis.startswith("parameters"):
        count = sum(math.prod(shape) for shape in case.shapes.values())
        assert count == pytest.approx(1000, rel=0.05)


@pytest.mark.parametrize("name", ["mlp", "gpt", "lstm", "lenet", "resnet50_float32"])
def test_gpu_cases_have_a_small_and_a_large_form(name):
    small, large = gpu_cases(small=True)[name], gpu_cases(small=False)[name]
    assert (small.device, large.device) == ("cpu", "cuda")
    assert small.autocast == large.autocast


def test_a_gpu_s_table_says_who_is_missing():
    found = {
        "Kuai compiled": {"median_seconds": 0.002, "first_step_seconds": 1.0, "peak_mib": 10.0},
        "PyTorch eager": {"ratio": 1.5, "ratio_quartiles": [1.4, 1.6]},
        "torch.compile": {"missing": "it is not installed"},
    }
    results = {
        "machine": {"python": "3.12", "versions": {"jax": "0.11"}, "devices": ["a card"]},
        "left_out": ["lenet"],
        "cases": {"mlp": {"name": "MLP", "contenders": found}},
    }
    text = gpu_table(results)
    assert "| MLP | 2.000 ms | 1.50 (1.40–1.60) | – | – | – | 1.0 s / – | 10 / – |" in text
    assert "a card; Python 3.12, jax 0.11" in text
    assert "Left out for want of time: lenet" in text
    assert "torch.compile is missing: it is not installed" in text
