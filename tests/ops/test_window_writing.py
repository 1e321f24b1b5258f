"""`x[...] = y` in one program, and where it cannot be one."""

import warnings

import numpy as np
import pytest
import torch

import kuai
from kuai.ops.array import window_writing


def of_a_view(t, x):
    x[1][0][1:3] = t.ones(2) * 7


def of_two_views(t, x):
    rows, columns = x[0], x[:, 1]
    rows[1] = 5
    columns[0, 2] = rows[1, 0] * 2
    x[1] += 1


def of_itself(t, x):
    x[1:] = x[:-1].clone()
    x[0] = x[1]


def of_overlapping_windows(t, x):
    x.unfold(2, 2, 1)[0, 0] = 1


def without_gradients(t, x):
    x.requires_grad_()
    with t.no_grad():
        x[0, 1] = 3
        x[1] = x[0]


WRITES = {
    "number": lambda t, x: x.__setitem__((1, 2, 3), 5),
    "row": lambda t, x: x.__setitem__(1, t.ones(4)),
    "column": lambda t, x: x.__setitem__((slice(None), 1), t.ones(4)),
    "other dtype": lambda t, x: x.__setitem__(0, t.arange(4)),
    "bool": lambda t, x: x.__setitem__((..., 1), True),
    "new dimension": lambda t, x: x.__setitem__((0, None), t.ones(1, 3, 4)),
    "leading ones": lambda t, x: x.__setitem__(0, t.ones(1, 1, 3, 4)),
    "steps": lambda t, x: x.__setitem__((0, slice(None, None, 2)), 2.5),
    "nothing": lambda t, x: x.__setitem__((slice(2, None), 0), 2),
    "whole": lambda t, x: x.__setitem__(..., 2),
    "transposed": lambda t, x: x.transpose(0, 2).__setitem__(2, t.zeros(3, 2)),
    "too many": lambda t, x: x.__setitem__(0, t.ones(5)),
    "too large": lambda t, x: x.__setitem__(0, 1e50),
    "larger": lambda t, x: x.__setitem__(0, 2**63),
    "complex": lambda t, x: x.__setitem__((0, 1), 1j),
    "into integers": lambda t, x: x.to(t.int32).__setitem__(0, 1.7),
    "bytes": lambda t, x: x.to(t.uint8).__setitem__((0, 0), -1),
    **{
        f.__name__: f
        for f in (of_a_view, of_two_views, of_itself, of_overlapping_windows, without_gradients)
    },
}


def outcome(t, write):
    x = t.arange(24.0).reshape(2, 3, 4).clone()
    window = x[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            write(t, x)
        except Exception as error:  # noqa: BLE001 - any error is what is compared
            return type(error), str(error)
    return x.detach().numpy().tolist(), window.detach().numpy().tolist(), x._version


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_as_pytorch_writes(write):
    assert outcome(kuai, write) == outcome(torch, write)


def test_it_is_one_program(monkeypatch):
    called = []
    call = window_writing.perform
    monkeypatch.setattr(window_writing, "perform", lambda *args: called.append(1) or call(*args))
    x = kuai.zeros(3, 4)
    x[1, 2] = 5
    x[0] = kuai.ones(4)
    assert len(called) == 2
    np.testing.assert_array_equal(x.numpy(), [[1, 1, 1, 1], [0, 0, 5, 0], [0, 0, 0, 0]])


def test_gradients_go_through_what_is_written():
    x, y = kuai.ones(3, requires_grad=True), kuai.ones(2, requires_grad=True)
    z = x * 2
    z[1:] = y * 3
    z.sum().backward()
    assert x.grad.tolist() == [2, 0, 0] and y.grad.tolist() == [3, 3]


#: Integers that do not fit into 64 bits, with a sign or without.
LARGE = {
    "add": lambda t: t.zeros(3) + 10**400,
    "add, 64 bits": lambda t: t.zeros(3) + 2**63,
    "multiply, 64 bits": lambda t: (2**64 - 1) * t.ones(3),
    "compare": lambda t: t.ones(3) < 2**70,
    "power": lambda t: t.ones(2) ** (2**70),
    "where": lambda t: t.where(t.ones(2) > 0, 2**70, t.ones(2)),
    "fill_": lambda t: t.zeros(3).fill_(10**400),
    "masked_fill": lambda t: t.ones(3).masked_fill(t.ones(3) > 0, 2**70),
    "index_fill": lambda t: t.ones(3).index_fill(0, t.tensor([0]), 2**70),
    "through a mask": lambda t: t.ones(3).__setitem__(t.ones(3) > 0, 2**70),
    "into integers": lambda t: t.zeros(3, dtype=t.int64).__setitem__(0, 2**63),
}


@pytest.mark.parametrize("call", LARGE.values(), ids=LARGE)
def test_integers_that_are_too_large(call):
    def result(t):
        try:
            return call(t).tolist()
        except Exception as error:  # noqa: BLE001 - any error is what is compared
            return type(error), str(error)

    assert result(kuai) == result(torch)
