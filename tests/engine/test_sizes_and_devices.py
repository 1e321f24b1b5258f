"""What sizes and devices are made of, and options of printing for a while, beside PyTorch."""

import numpy as np
import pytest
import torch

import kuai

MADE = {
    "real": lambda t: t.Size([1.5]),
    "text": lambda t: t.Size(["a"]),
    "nothing": lambda t: t.Size([2, None]),
    "a tensor": lambda t: t.Size([t.tensor(2), 3]),
    "a tensor of several": lambda t: t.Size(t.tensor([2, 3])),
    "NumPy's": lambda t: t.Size((np.int64(3), 2)),
    "no row": lambda t: t.Size(3),
    "empty": lambda t: t.Size(),
    "a generator": lambda t: t.Size(n for n in (1, 2)),
    "a device's index": lambda t: t.device("cpu", "a"),
    "a bool for an index": lambda t: t.device("cuda", True),
}


def made(library, make):
    try:
        return str(make(library))
    except TypeError as error:
        return type(error), str(error)


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_made(make):
    assert made(kuai, make) == made(torch, make)


def test_options_of_printing_for_a_while():
    for library in (torch, kuai):
        x = library.tensor([0.25, 1.0])
        with library._tensor_str.printoptions(precision=1):
            assert str(x) == "tensor([0.2, 1.0])"
        assert str(x) == "tensor([0.2500, 1.0000])"
