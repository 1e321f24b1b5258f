"""A tensor beside a NumPy array: NumPy's dtypes, as PyTorch leaves these operators to it."""

import operator

import numpy as np
import pytest
import torch

import kuai

ARRAYS = {
    "int64": np.array([1, 2, 3]),
    "float32": np.array([1.0, 2.0, 3.0], np.float32),
    "float64": np.array([1.0, 2.0, 3.0]),
    "uint8": np.array([1, 2, 3], np.uint8),
    "0-d": np.array(2),
}
OPERATORS = ("add", "sub", "mul", "truediv", "pow", "mod", "eq")


def outcome(call):
    made = call()
    return str(made.dtype).partition(".")[2], made.tolist()


@pytest.mark.filterwarnings("ignore:__array_wrap__")  # PyTorch's, from NumPy
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("kind", ["int64", "float32", "float16", "uint8"])
def test_dtypes_and_values(kind, array):
    for name in OPERATORS:
        ours, theirs = (
            outcome(
                lambda t=t, name=name: getattr(operator, name)(
                    t.tensor([3, 1, 2], dtype=getattr(t, kind)), ARRAYS[array]
                )
            )
            for t in (kuai, torch)
        )
        assert ours == theirs, name


def test_gradients_go_through():
    x = kuai.ones(3, requires_grad=True)
    (x * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.dtype is kuai.float32


def test_an_array_written_through_an_index_is_named():
    for t in (kuai, torch):
        with pytest.raises(TypeError, match=r"can't assign a numpy.ndarray to a torch.FloatTensor"):
            t.zeros(2, 2)[0] = np.ones(2)


def test_a_change_in_place_stays_in_place():
    x = y = kuai.ones(3)
    x += np.array([1.0, 2.0, 3.0])
    assert x is y and x.dtype is kuai.float32
