"""Views of a tensor with a history at places that a mapped function is given."""

import numpy as np

import kuai


def test_one_index_after_the_other():
    table = kuai.randn(2, 3, 4, requires_grad=True)
    i = kuai.arange(2)
    for function in (lambda n: table[n][n], lambda n: (table * 1)[n][n][1:]):
        table.grad = None
        made = kuai.vmap(function)(i)
        expected = np.stack([function(n).detach().numpy() for n in range(2)])
        np.testing.assert_array_equal(made.detach().numpy(), expected)
        made.sum().backward()
        assert table.grad.sum().item() == made.numel()


def test_nested():
    table = kuai.randn(2, 3, requires_grad=True)
    rows, columns = kuai.arange(2), kuai.arange(3)
    made = kuai.vmap(lambda r: kuai.vmap(lambda c: table[r][c] * 2)(columns))(rows)
    np.testing.assert_array_equal(made.detach().numpy(), 2 * table.detach().numpy())
    made.sum().backward()
    assert table.grad.tolist() == [[2.0] * 3] * 2
