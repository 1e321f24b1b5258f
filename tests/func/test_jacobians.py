"""Jacobians of functions of numbers: every shape is ()."""

import kuai


def test_of_numbers():
    x = kuai.tensor(2.0)

    def cube(x):
        return x**3

    assert kuai.func.jacrev(cube)(x).item() == 12
    assert kuai.func.jacfwd(cube)(x).item() == 12
    assert kuai.func.hessian(cube)(x).item() == 12
