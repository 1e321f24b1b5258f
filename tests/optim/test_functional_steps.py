"""The steps as functions, as PyTorch has them beside each optimizer."""

import importlib

import numpy as np
import pytest
import torch

import kuai

SIZE = (3, 2)
DECAY = dict(lr=0.1, weight_decay=0.01)
BETAS = dict(beta1=0.9, beta2=0.99, eps=1e-8)
#: The name, its lists of tensors with what they begin with, and its options.
CASES = [
    ("adadelta", (0, 0, "n"), dict(DECAY, rho=0.9, eps=1e-6, maximize=False)),
    ("adagrad", (0.1, "n"), dict(DECAY, lr_decay=0.1, eps=1e-10, maximize=True)),
    ("adamax", (0, 0, "n"), dict(DECAY, **BETAS, maximize=True)),
    ("asgd", (0, "1", "l", "n"), dict(DECAY, lambd=1e-2, t0=1.0, alpha=0.75)),
    ("nadam", (0, 0, "1", "n"), dict(DECAY, **BETAS, momentum_decay=4e-3)),
    (
        "nadam",
        (0, 0, "1", "n"),
        dict(DECAY, **BETAS, momentum_decay=0, decoupled_weight_decay=True),
    ),
    ("radam", (0, 0, "n"), dict(DECAY, **BETAS)),
    ("rmsprop", (0, 0, 0, "n"), dict(DECAY, alpha=0.9, eps=1e-8, momentum=0.5, centered=True)),
    ("rmsprop", (0, 0, 0, "n"), dict(DECAY, alpha=0.9, eps=1e-8, momentum=0, centered=False)),
    ("rprop", (0, 0.1, "n"), dict(step_size_min=1e-6, step_size_max=50, etaminus=0.5, etaplus=1.2)),
]


def made(t, what):
    numbers = {"n": 0.0, "1": 1.0, "l": 0.1}
    return t.tensor(numbers[what]) if isinstance(what, str) else t.full(SIZE, float(what))


def trajectory(t, name, begins, options):
    function = getattr(importlib.import_module(f"{t.__name__}.optim.{name}"), name)
    random = np.random.RandomState(0)
    params = [t.tensor(random.randn(*SIZE), dtype=t.float32) for _ in range(2)]
    lists = [[made(t, what) for _ in params] for what in begins]
    for _ in range(10):
        grads = [t.tensor(random.randn(*SIZE), dtype=t.float32) for _ in params]
        assert function(params, grads, *lists, **options) is None
    return [each.numpy() for many in (params, *lists) for each in many]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_as_pytorch(case):
    for ours, theirs in zip(trajectory(kuai, *case), trajectory(torch, *case), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_inside_a_program_and_with_complex_numbers():
    function = kuai.optim.rmsprop.rmsprop
    options = dict(lr=0.1, alpha=0.9, eps=1e-8, weight_decay=0, momentum=0, centered=False)
    found = []
    for t in (torch, kuai):
        function = importlib.import_module(f"{t.__name__}.optim.rmsprop").rmsprop
        param, square = t.tensor([1 + 2j]), t.zeros(1, dtype=t.complex64)
        function([param], [t.tensor([2 - 1j])], [square], [], [], [t.tensor(0.0)], **options)
        found.append((param.numpy(), square.numpy()))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    param, square, count = kuai.ones(2), kuai.zeros(2), kuai.tensor(0.0)

    @kuai.compile
    def step(gradient):
        function([param], [gradient], [square], [], [], [count], **options)

    function = kuai.optim.rmsprop.rmsprop
    for _ in range(3):
        step(kuai.ones(2))
    other, squares, counts = kuai.ones(2), kuai.zeros(2), kuai.tensor(0.0)
    for _ in range(3):
        function([other], [kuai.ones(2)], [squares], [], [], [counts], **options)
    assert kuai.allclose(param, other) and counts.item() == count.item() == 3


def test_counts_have_to_be_tensors():
    with pytest.raises(RuntimeError, match="singleton tensors"):
        kuai.optim.adadelta.adadelta(
            [], [], [], [], [1], lr=1, rho=0.9, eps=1e-6, weight_decay=0, maximize=False
        )
