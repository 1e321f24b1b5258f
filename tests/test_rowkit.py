"""The kit itself: inputs are the same every time and have the dtype that was asked for."""

import numpy as np
import pytest
import torch

from tests.rowkit import A, Row, assert_same, leaves, to_tensors


def test_inputs_are_the_same_every_time_and_differ_between_rows():
    row, again, other = (Row(name, None, A(3, 4)) for name in ("one", "one", "other"))
    first = row.draw("float32")[0][0]
    np.testing.assert_array_equal(first, again.draw("float32")[0][0])
    assert not np.array_equal(first, other.draw("float32")[0][0])


@pytest.mark.parametrize(
    ("described", "dtype", "low", "high"),
    [
        (A(50, low=2, high=3), "float32", 2, 3),
        (A(50, positive=True), "float64", 0.1, 9),
        (A(50, low=0, high=4, dtype="int64"), "int64", 0, 3),
        (A(50), "uint8", 0, 9),
        (A(values=[1, 2, 3]), "float32", 1, 3),
    ],
)
def test_ranges(described, dtype, low, high):
    array, name = described.draw(np.random.default_rng(0), dtype)
    assert name == dtype
    assert array.dtype.name == dtype
    assert low <= array.min() and array.max() <= high


def test_only_floating_inputs_require_a_gradient():
    row = Row("mixed", None, A(2), A(2, dtype="int64"), A(2, dtype="bool"))
    tensors = to_tensors(torch, row, "float32", requires_grad=True)
    assert [tensor.requires_grad for tensor in tensors] == [True, False, False]


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="tolerance"):
        Row("typo", None, tolerance=1)


def test_leaves_of_nested_outputs():
    assert list(leaves({"a": (1, [2, 3]), "b": 4})) == ["a", 1, 2, 3, "b", 4]


def test_assert_same_notices_shape_dtype_and_value():
    row = Row("any", None)
    for wrong in (torch.ones(2, 1), torch.ones(2, dtype=torch.float64), torch.zeros(2), 1.0):
        with pytest.raises(AssertionError):
            assert_same(wrong, torch.ones(2), row.tolerance)
