"""Rows of tensors taken by NumPy: the same as by indexing."""

import pytest

import kuai
from kuai.data.collating import rows

KINDS = ["float32", "bfloat16", "float8_e4m3fn", "bool", "int8", "complex64", "float64"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows(kind):
    table = kuai.arange(12).reshape(4, 3).to(getattr(kuai, kind))
    for places in ([3, 0, 3], [-1, -4], [2]):
        (found,) = rows([table], places)
        assert found.dtype == table.dtype and found.tolist() == table[places].tolist()


def test_rows_behind_the_end():
    with pytest.raises(IndexError):
        rows([kuai.ones(2)], [2])
    with pytest.raises(IndexError):
        rows([kuai.ones(2)], [-3])


def test_rows_of_a_tensor_that_wants_a_gradient():
    table = kuai.ones(3, 2, requires_grad=True)
    rows([table], [1, 1])[0].sum().backward()
    assert table.grad.tolist() == [[0, 0], [2, 2], [0, 0]]


def test_a_batch_is_no_window_on_the_data():
    table = kuai.zeros(3)
    rows([table], [0, 1])[0].add_(1)
    assert table.tolist() == [0, 0, 0]
