"""Matrices that no algorithm can use: the errors of PyTorch, where the numbers are known."""

import pytest
import torch

import kuai

CALLS = {
    "inv": lambda t: t.linalg.inv(t.zeros(2, 2)),
    "inv of a batch": lambda t: t.linalg.inv(t.stack([t.eye(2), t.zeros(2, 2)])),
    "inverse": lambda t: t.inverse(t.ones(2, 2)),
    "solve": lambda t: t.linalg.solve(t.zeros(2, 2), t.ones(2)),
    "solve of other sizes": lambda t: t.linalg.solve(t.eye(3), t.ones(2, 1)),
    "cholesky": lambda t: t.linalg.cholesky(t.tensor([[1.0, 0.0], [0.0, -1.0]])),
    "cholesky, older": lambda t: t.cholesky(t.zeros(2, 2)),
    "cholesky_ex": lambda t: t.linalg.cholesky_ex(t.zeros(2, 2), check_errors=True),
    "inv_ex": lambda t: t.linalg.inv_ex(t.zeros(2, 2), check_errors=True),
    "solve_ex": lambda t: t.linalg.solve_ex(t.zeros(2, 2), t.ones(2), check_errors=True),
    "svd": lambda t: t.linalg.svd(t.full((2, 2), float("nan"))),
    "lu_factor": lambda t: t.linalg.lu_factor(t.zeros(3, 2, 2)),
    "lu_factor of a vector": lambda t: t.linalg.lu_factor(t.ones(2)),
    "lu without pivots": lambda t: t.linalg.lu_factor(t.ones(2, 2), pivot=False),
    "lu_unpack": lambda t: t.lu_unpack(t.ones(2, 2), t.ones(2)),
    "cond": lambda t: t.linalg.cond(t.ones(2, 3), 1),
    "matrix_exp": lambda t: t.linalg.matrix_exp(t.ones(2, 3)),
    "tensorinv": lambda t: t.linalg.tensorinv(t.ones(2, 3), 1),
    "vander": lambda t: t.linalg.vander(t.ones(3), N=1),
}


def error_of(call, t):
    with pytest.raises((RuntimeError, NotImplementedError)) as caught:
        call(t)
    return type(caught.value).__name__.lstrip("_"), str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_pytorchs_error(name):
    assert error_of(CALLS[name], kuai) == error_of(CALLS[name], torch)


def test_a_linear_algebra_error_is_a_runtime_error():
    assert issubclass(kuai.linalg.LinAlgError, RuntimeError)


def test_inside_a_program_the_result_is_not_finite():
    inverse = kuai.compile(lambda a: kuai.linalg.inv(a) + 0)
    assert not kuai.isfinite(inverse(kuai.zeros(2, 2))).all()


def test_a_matrix_that_is_not_finite_itself_is_no_singular_one():
    inverse = kuai.linalg.inv(kuai.tensor([[float("nan"), 1.0], [1.0, 1.0]]))
    assert not kuai.isfinite(inverse).all()
