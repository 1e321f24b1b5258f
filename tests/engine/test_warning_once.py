"""Warnings that PyTorch gives once in a process."""

import warnings

import pytest
import torch

import kuai
from kuai.engine.compile import replays
from kuai.engine.tensor import warning_once


def matrix(t):
    return t.eye(2) * 2


#: Each twice with everything shown: how often it warns if warnings come each time, and if not.
CALLS = {
    "x.T": (lambda t: t.ones(3).T, 2, 1),
    "x.T of a number": (lambda t: t.tensor(1.0).T, 2, 1),
    "x.mT": (lambda t: t.tensor(1.0).mT, 2, 1),
    "x.H": (lambda t: t.tensor(1.0).H, 2, 1),
    "meshgrid": (lambda t: t.meshgrid(t.ones(2), t.ones(2)), 2, 1),
    "cross": (lambda t: t.cross(t.ones(3), t.ones(3)), 2, 1),
    "cholesky": (lambda t: t.cholesky(matrix(t)), 2, 1),
    "cholesky, a method": (lambda t: matrix(t).cholesky(), 2, 1),
    "qr": (lambda t: t.qr(matrix(t)), 2, 1),
    "lu": (lambda t: t.lu(matrix(t)), 2, 1),
    "lu_solve": (lambda t: t.lu_solve(matrix(t), *t.linalg.lu_factor(matrix(t))), 2, 1),
    "where of bytes": (lambda t: t.where(t.ones(2, dtype=t.uint8), t.ones(2), 0), 2, 1),
    "Tensor.where of bytes": (lambda t: t.ones(2).where(t.ones(2, dtype=t.uint8), 0), 2, 1),
    "float of a tensor with a gradient": (lambda t: float(t.ones(1, requires_grad=True)), 2, 1),
    "autocast to float32": (lambda t: t.autocast("cpu", dtype=t.float32), 2, 2),
    "triangular_solve": (lambda t: t.triangular_solve(matrix(t), matrix(t)), 2, 1),
    "chain_matmul": (lambda t: t.chain_matmul(matrix(t), matrix(t)), 2, 1),
    "complex to real": (lambda t: t.ones(2, dtype=t.complex64).to(t.float32), 2, 1),
    "complex to float": (lambda t: t.ones(2, dtype=t.complex64).float(), 2, 1),
    "scatter": (
        lambda t: t.ones(2).scatter(0, t.tensor([0]), t.ones(1), reduce="add"), 2, 1,
    ),
    "create_graph": (
        lambda t: t.ones(2, requires_grad=True).sum().backward(create_graph=True), 2, 1,
    ),
    "old order": (lambda t: t.ones(2).add_(0.5, t.ones(2)), 2, 1),
    "old order of another": (lambda t: t.ones(2).addcmul_(0.5, t.ones(2), t.ones(2)), 2, 1),
    "stft": (lambda t: t.stft(t.ones(16), 4, return_complex=True), 2, 1),
    "set_default_tensor_type": (lambda t: t.set_default_tensor_type(t.FloatTensor), 2, 1),
    "range": (lambda t: t.range(0, 2), 2, 2),
    "tensor of a tensor": (lambda t: t.tensor(t.ones(2)), 2, 2),
    "softmax": (lambda t: t.nn.functional.softmax(t.ones(2)), 2, 2),
    "out": (lambda t: t.add(t.ones(2), 1, out=t.ones(3)), 2, 2),
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_was_given(monkeypatch):
    """Each test as in a process of its own; PyTorch's warnings come each time."""
    monkeypatch.setattr(warning_once, "_given", set())
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)
    kuai.set_warn_always(False)


def given(t, call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(2):
            call(t)
    return len(seen)


@pytest.mark.parametrize(("call", "always", "usually"), CALLS.values(), ids=CALLS)
def test_how_often_they_come(call, always, usually):
    assert given(kuai, call) == usually
    kuai.set_warn_always(True)
    assert given(kuai, call) == given(torch, call) == always


def test_the_overloads_of_first_versions_share_one():
    calls = [CALLS["old order"][0], CALLS["old order of another"][0]]
    assert [given(kuai, call) for call in calls] == [1, 0]


def test_setting():
    for t in (torch, kuai):
        t.set_warn_always(False)
        assert t.is_warn_always_enabled() is False
        t.set_warn_always(True)
        assert t.is_warn_always_enabled() is True
        with pytest.raises(RuntimeError, match="setWarnOnlyOnce expects a bool, but got int"):
            t.set_warn_always(1)


def test_a_step_that_has_warned_is_replayed(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)

    @kuai.compile
    def f(x):
        return x.T * 2

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(4):
            f(kuai.ones(3))
        assert (len(seen), f.explain().replayed) == (1, 2)
        kuai.set_warn_always(True)
        for _ in range(3):
            f(kuai.ones(3))
        assert (len(seen), f.explain().replayed) == (4, 2)
        kuai.set_warn_always(False)
        f(kuai.ones(3))
        assert (len(seen), f.explain().replayed) == (4, 3)
