"""What an editor knows about a program, asked of pyright: types, and names that do not exist."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCE = ROOT / "src"
#: What pyright has to find nothing wrong with; this only grows.
CHECKED = {
    "src/kuai/*.py",
    "src/kuai/*.pyi",
    "src/kuai/_C",
    "src/kuai/_dynamo",
    "src/kuai/amp",
    "src/kuai/ao",
    "src/kuai/autograd",
    "src/kuai/backends",
    "src/kuai/cli",
    "src/kuai/cuda",
    "src/kuai/data",
    "src/kuai/distributed",
    "src/kuai/distributions",
    "src/kuai/engine",
    "src/kuai/export",
    "src/kuai/func",
    "src/kuai/fx",
    "src/kuai/jit",
    "src/kuai/masked",
    "src/kuai/multiprocessing",
    "src/kuai/nn",
    "src/kuai/onnx",
    "src/kuai/ops",
    "src/kuai/optim",
    "src/kuai/saving",
    "src/kuai/signal",
    "src/kuai/standin",
    "src/kuai/testing",
    "src/kuai/train",
    "src/kuai/utils",
    "src/kuai/vision",
}
PROGRAM = """
import kuai
import kuai.linalg
from kuai import nn, special
from kuai.nn import functional as F

x = kuai.ones(2)
layer = nn.Linear(2, 3)


class Net(nn.Module):
    def forward(self, x: kuai.Tensor, times: int = 1):
        return layer(x), times


class Square(kuai.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * x

    @staticmethod
    def backward(ctx, grad):
        return grad


def scale(x: kuai.Tensor) -> kuai.Tensor:
    return 2 * x


@kuai.no_grad()
def evaluate(x: kuai.Tensor) -> kuai.Tensor:
    with kuai.enable_grad(), kuai.inference_mode(), kuai.autocast("cpu"):
        return x


@kuai.compile
def step(x: kuai.Tensor) -> kuai.Tensor:
    return x


@kuai.compile(fullgraph=True)
def whole(x: kuai.Tensor) -> kuai.Tensor:
    return x


"""
TYPES = {
    "kuai.ones(2)": "Tensor",
    "kuai.tensor([1.0, 2.0])": "Tensor",
    "kuai.float32": "dtype",
    "kuai.max(x)": "Tensor",
    "kuai.max(x, 0).values": "Tensor",
    "kuai.where(x > 0, x, 0.0)": "Tensor",
    "kuai.where(x > 0)": "tuple[Tensor, ...]",
    "kuai.linalg.svd(x).Vh": "Tensor",
    "special.erf(x)": "Tensor",
    "F.relu(x)": "Tensor",
    "F.max_pool1d(x, 2)": "Tensor",
    "F.max_pool1d(x, 2, return_indices=True)": "tuple[Tensor, Tensor]",
    "x + 1": "Tensor",
    "1 - x": "Tensor",
    "x == x": "Tensor",
    "x[0]": "Tensor",
    "x.sum(dim=0).T": "Tensor",
    "x.sort().indices": "Tensor",
    "kuai.flip(x, dims=(0,))": "Tensor",
    "kuai.zeros(size=(2, 3))": "Tensor",
    "kuai.exp(x, out=x)": "Tensor",
    "kuai.vstack([x, x], out=x)": "Tensor",
    "x.permute(1, 0)": "Tensor",
    "x.permute(dims=(1, 0))": "Tensor",
    "kuai.func.grad(scale)(x)": "Any",
    "Square.apply(x)": "Any",
    "x.split(1)": "tuple[Tensor, ...]",
    "x.unique(return_counts=True)": "tuple[Tensor, Tensor]",
    "x.shape": "Size",
    "x.shape[0]": "int",
    "x.shape[1:]": "Size",
    "kuai.no_grad()": "no_grad",
    "kuai.no_grad(scale)": "(x: Tensor) -> Tensor",
    "evaluate(x)": "Tensor",
    "x.size(0)": "int",
    "x.dim()": "int",
    "x.item()": "int | float | bool",
    "x.grad": "Tensor | None",
    "x.is_floating_point()": "bool",
    "x.is_cuda": "bool",
    "x.is_sparse": "bool",
    "x.nbytes": "int",
    "x.grad_fn": "Node | None",
    "x.data": "Tensor",
    "kuai.histogramdd(x, 2).bin_edges": "tuple[Tensor, ...]",
    "kuai.distributions.Normal(0.0, 1.0).sample()": "Tensor",
    "kuai.distributions.Normal(0.0, 1.0).rsample((2, 3))": "Tensor",
    "kuai.distributions.Categorical(x).logits": "Tensor",
    "kuai.autograd.grad(x, [x])[0]": "Tensor",
    'kuai.autograd.grad(x, {"x": x})': "dict[str, Tensor]",
    "layer(x)": "Tensor",
    "nn.LSTM(2, 3)(x)": "tuple[Tensor, tuple[Tensor, Tensor]]",
    "nn.GRU(2, 3)(x)": "tuple[Tensor, Tensor]",
    "nn.CrossEntropyLoss()(x, x)": "Tensor",
    "Net()(x, times=2)": "tuple[Tensor, int]",
    "list(map(layer, [x]))": "list[Tensor]",
    "kuai.compile(layer)": "Linear",
    "step(x)": "Tensor",
    "whole(x)": "Tensor",
    "step.explain()": "Explanation",
}
MISTAKES = {
    "F.rleu(x)": '"rleu" is not a known attribute of module "kuai.nn.functional"',
    "kuai.onse(2)": '"onse" is not a known attribute of module "kuai"',
    "kuai.linalg.svdd(x)": '"svdd" is not a known attribute of module "kuai.linalg"',
    "x.smu()": 'Cannot access attribute "smu" for class "Tensor"',
    "layer(3)": '"Literal[3]" is not assignable to "Tensor"',
    "layer()": 'Argument missing for parameter "input"',
    "Net()(x, tmies=2)": 'No parameter named "tmies"',
    "step()": 'Argument missing for parameter "x"',
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What pyright says about each line, all lines asked in one run."""
    folder = tmp_path_factory.mktemp("program")
    lines = [*(f"reveal_type({text})" for text in TYPES), *MISTAKES]
    (folder / "program.py").write_text(PROGRAM + "\n".join(lines) + "\n")
    settings = {"extraPaths": [str(SOURCE)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = ["-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    run = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    asked = [""] * PROGRAM.count("\n") + [*TYPES, *MISTAKES]  # "" for the program itself
    found = {text: [] for text in asked}
    for one in json.loads(run.stdout)["generalDiagnostics"]:
        found[asked[one["range"]["start"]["line"]]].append(one["message"])
    return found


def test_the_program_itself_is_right(answers):
    assert not answers[""]


@pytest.mark.parametrize("text", TYPES)
def test_type(answers, text):
    (message,) = answers[text]
    assert re.fullmatch(r'Type of ".*" is "(.*)"', message).group(1) == TYPES[text]


@pytest.mark.parametrize("text", MISTAKES)
def test_mistake(answers, text):
    assert MISTAKES[text] in "\n".join(answers[text])


def test_clean_packages_stay_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    assert settings["typeCheckingMode"] == "standard"
    assert set(settings["include"]) >= CHECKED
    for path in settings["include"]:
        assert list(ROOT.glob(path)), f"{path} is no path"
