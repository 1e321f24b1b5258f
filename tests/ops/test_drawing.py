"""Eager draws in size classes: few programs, and the numbers that a compiled step draws."""

import numpy as np
import pytest

import kuai
from tests.compilations import compilations

DRAWS = {
    "rand": lambda: kuai.rand(3, 5),
    "randn": lambda: kuai.randn(7),
    "double": lambda: kuai.rand(2, 3, dtype=kuai.float64),
    "half": lambda: kuai.randn(4, dtype=kuai.bfloat16).float(),
    "randint": lambda: kuai.randint(-3, 9, (4, 4)),
    "uniform_": lambda: kuai.empty(5, 2).uniform_(-1, 2),
    "normal_": lambda: kuai.empty(1030).normal_(1, 2),
    "exponential_": lambda: kuai.empty(3).exponential_(0.5),
    "bernoulli_": lambda: kuai.empty(3, 9).bernoulli_(0.3),
    "complex": lambda: kuai.view_as_real(kuai.randn(3, dtype=kuai.complex64)),
    "randperm": lambda: kuai.randperm(9),
    "empty": lambda: kuai.rand(0, 3),
}


@pytest.mark.parametrize("name", DRAWS)
def test_eager_and_compiled_draws_are_the_same(name):
    kuai.manual_seed(5)
    eager = [DRAWS[name]().numpy() for _ in range(2)]
    compiled = kuai.compile(DRAWS[name])
    kuai.manual_seed(5)
    for expected in eager:
        found = compiled()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    assert not eager[0].size or not np.array_equal(eager[0], eager[1])


def test_one_program_for_many_shapes():
    for _ in range(30):  # until eager operations are compiled
        kuai.nn.Linear(10, 20), kuai.nn.Linear(3, 4)
    with compilations() as programs:
        for size in range(3, 20):
            kuai.nn.Linear(size, size + 1)
    assert not programs


def test_both_parts_of_complex_numbers_are_uniform():
    drawn = kuai.empty(400, dtype=kuai.complex64).uniform_(2, 4)
    for part in (drawn.real, drawn.imag):
        assert ((part >= 2) & (part < 4)).all()
        assert 2.8 < part.mean() < 3.2
