"""What is measured on a GPU: the same for all libraries, and small versions to try it on a CPU."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.case import Case
from benchmarks.cases.gpt import gpt
from benchmarks.cases.lenet import LENET
from benchmarks.cases.lstm import lstm
from benchmarks.cases.mlp import perceptron
from benchmarks.cases.resnet import resnet

#: TensorFloat32 has 10 bits, bfloat16 7: losses agree less.
ROUGH = 3e-2
#: Steps are small, or losses would not agree for long.
SLOW = 1e-3


def cases(small: bool) -> dict[str, Case]:
    """All cases by their names on the command line, the most telling ones first."""
    made = _small() if small else _large()
    device = "cpu" if small else "cuda"
    return {name: replace(case, device=device) for name, case in made.items()}


def _large() -> dict[str, Case]:
    residual = resnet("ResNet-50, batch 64", [3, 4, 6, 3], bottleneck=True, batch=64)
    text = "GPT, 12 blocks of 768, 1,024 words, batch 4, bfloat16"
    return {
        "mlp": perceptron("MLP 784-1024-1024-10, batch 256", [784, 1024, 1024, 10], 256, lr=0.1),
        "gpt": _bfloat16(
            gpt(text, 4, 1024, words=50_304, layers=12, size=768, heads=12, lr=3e-4), text
        ),
        "resnet50_bfloat16": _bfloat16(residual, f"{residual.name}, bfloat16"),
        "lstm": lstm("LSTM, 2 layers of 512, 128 steps, batch 64", 64, 128, 256, 512),
        "lenet": replace(LENET, tolerance=2e-3),
        **_precisions(residual),
    }


def _small() -> dict[str, Case]:
    residual = resnet("ResNet, batch 4", [1, 1, 1, 1], bottleneck=True, batch=4, size=64)
    text = "GPT, 2 blocks of 32, 16 words, batch 2, bfloat16"
    return {
        "mlp": perceptron("MLP 20-32-10, batch 8", [20, 32, 10], 8, lr=0.1),
        "gpt": _bfloat16(gpt(text, 2, 16, words=50, layers=2, size=32, heads=2), text),
        "resnet50_bfloat16": _bfloat16(residual, f"{residual.name}, bfloat16"),
        "lstm": lstm("LSTM, 2 layers of 16, 8 steps, batch 4", 4, 8, 8, 16),
        "lenet": replace(LENET, tolerance=2e-3),
        **_precisions(residual),
    }


def _precisions(case: Case) -> dict[str, Case]:
    case = replace(case, lr=SLOW)
    rough = replace(case, name=f"{case.name}, TF32", tensor_float=True, tolerance=ROUGH)
    exact = replace(case, name=f"{case.name}, float32", tolerance=5e-3)
    return {"resnet50_tf32": rough, "resnet50_float32": exact}


def _bfloat16(case: Case, name: str) -> Case:
    """Under autocast; what stays in float32 may be computed in TensorFloat32."""
    lr = min(case.lr, SLOW)
    return replace(case, name=name, lr=lr, autocast="bfloat16", tensor_float=True, tolerance=ROUGH)
