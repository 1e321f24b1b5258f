"""Arguments of wrong types: PyTorch's own messages, of functions, methods and makers."""

from typing import Any

import numpy as np
import pytest
import torch

import kuai
from kuai.engine.op.argument_types import complaint

CALLS = {
    "one way": lambda t, x: t.mm(x, None),
    "one way, a method": lambda t, x: x.topk(1.5),
    "in place": lambda t, x: x.mul_("a"),
    "a keyword": lambda t, x: t.add(x, x, alpha="a"),
    "several ways": lambda t, x: x.sum(1.5),
    "several ways, keywords": lambda t, x: t.clamp(x, min="a"),
    "as many arguments": lambda t, x: x.max(1.5),
    "not enough arguments": lambda t, x: t.add(x),
    "hidden ways": lambda t, x: t.add(x, "a"),
    "sizes": lambda t, x: t.zeros(2.5),
    "sizes, a later one": lambda t, x: t.rand((2, 3.5)),
    "sizes, the first one": lambda t, x: t.ones([2.0]),
    "sizes of a view": lambda t, x: x.view(2.5),
    "a fill value": lambda t, x: t.full((2,), "a"),
    "a size that is no tuple": lambda t, x: t.full(2, 1.0),
    "numbers at random": lambda t, x: t.randint(5),
    "a dtype": lambda t, x: t.zeros(2, dtype="float32"),
    "a dtype of NumPy": lambda t, x: t.arange(2, dtype=np.float32),
    "a list of tensors": lambda t, x: t.cat([x, None]),
    "no list of tensors": lambda t, x: t.stack(3),
    "an index": lambda t, x: t.gather(x, 0, [1]),
    "a module of functions": lambda t, x: t.linalg.svd("a"),
    "a function of layers": lambda t, x: t.nn.functional.gelu("a"),
    "a start": lambda t, x: x.narrow(0, 0, 1.5),
    "too many": lambda t, x: t.exp(x, x),
    "written in Python": lambda t, x: t.nn.functional.dropout(x, 1.5),
    "where": lambda t, x: t.where(x > 0, "a", x),
    "no arguments at all": lambda t, x: x.abs(1, 2),
    "no keywords at all": lambda t, x: x.exp_(nokey=1),
    "a type before what is missing": lambda t, x: t.gather(x, "a"),
    "a missing one before a keyword": lambda t, x: t.addmv(x, nokey=1),
    "another name": lambda t, x: t.absolute("a"),
    "another name, several ways": lambda t, x: t.multiply(x, "a"),
    "a keyword of no way": lambda t, x: x.bitwise_and(nokey=1),
    "a list of no tensors": lambda t, x: t.cat([1.5]),
    "padding": lambda t, x: t.nn.functional.pad(x, (1.5, 1)),
    "a number for a bool": lambda t, x: x.sum(0, keepdim=1),
    "a number for a bool, of two results": lambda t, x: x.max(0, 1),
    "a number for a bool, several ways": lambda t, x: t.sort(x, 1, 1),
    "a number for a bool of a composite": lambda t, x: t.searchsorted(x[0], x, right=1),
    "a bool for a number": lambda t, x: x.topk(True),
    "a bool among sizes": lambda t, x: x.reshape((True, -1)),
    "a float for a number": lambda t, x: x.square().rot90(1.0),
    "a float for an offset": lambda t, x: x.diagonal(0.0),
    "a number that says requires_grad": lambda t, x: t.ones(2, requires_grad=1),
    "a layout": lambda t, x: t.zeros(2, layout="torch.strided"),
    "a layout that is a format": lambda t, x: t.zeros(2, layout=t.channels_last),
}


def _message(call, t, x):
    try:
        call(t, x)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is compared)
        return type(error).__name__, str(error)
    return "nothing"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_message_is_that_of_pytorch(call):
    found = _message(call, kuai, kuai.ones(2, 3))
    assert found == _message(call, torch, torch.ones(2, 3))


def test_call_that_fits_has_no_complaint():
    assert complaint("sum", "sum", (kuai.ones(2), 0), {"dtype": kuai.float64}) is None
    assert complaint("Tensor.view", "view", (2, 3), {}) is None


def test_errors_of_values_stay():
    with pytest.raises(IndexError, match="Dimension out of range"):
        kuai.ones(2).sum(3)


def test_error_of_a_call_inside_an_operation_is_not_told_as_the_user_s():
    call: Any = lambda t, x: t.linear(x, "a")  # noqa: E731 (a type checker would refuse it)
    with pytest.raises(TypeError, match=r"^linear\(\): argument 'weight' \(position 2\)"):
        call(kuai.nn.functional, kuai.ones(2))
