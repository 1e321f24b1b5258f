"""Matrices that hold nan or inf: PyTorch's errors, and where it has none, its numbers."""

import math

import pytest
import torch

import kuai
from tests.ops.test_matrix_checks import error_of

NAN, INF = math.nan, math.inf
MATRICES = {
    "nan": [[NAN, 1.0], [2.0, 3.0]],
    "inf": [[2.0, 1.0], [1.0, INF]],
    "three": [[4.0, 1.0, 0.0], [1.0, NAN, 1.0], [0.0, 1.0, 2.0]],
    "batch": [[[2.0, 1.0], [1.0, 3.0]], [[NAN, 1.0], [2.0, 3.0]]],
    "singular": [[1.0, 2.0], [2.0, 4.0]],
}
CALLS = {
    "svd": lambda t, A: t.linalg.svd(A).S,
    "svdvals": lambda t, A: t.linalg.svdvals(A),
    "matrix_rank": lambda t, A: t.linalg.matrix_rank(A),
    "matrix_norm 2": lambda t, A: t.linalg.matrix_norm(A, 2),
    "matrix_norm nuc": lambda t, A: t.linalg.matrix_norm(A, "nuc"),
    "cond": lambda t, A: t.linalg.cond(A) < 1e6,
    "cond fro": lambda t, A: t.linalg.cond(A, "fro"),
    "eigvalsh": lambda t, A: t.linalg.eigvalsh(A),
    "eigh": lambda t, A: t.linalg.eigh(A)[0],
    "inv": lambda t, A: t.linalg.inv(A),
    "inv_ex": lambda t, A: t.linalg.inv_ex(A).info,
    "solve": lambda t, A: t.linalg.solve(A, t.ones(2)),
    "lu_factor_ex": lambda t, A: t.linalg.lu_factor_ex(A)[0],
    "cholesky": lambda t, A: t.linalg.cholesky(A),
    "cholesky_ex": lambda t, A: t.linalg.cholesky_ex(A)[0],
    "slogdet": lambda t, A: t.linalg.slogdet(A)[0],
    "matrix_power": lambda t, A: t.linalg.matrix_power(A, -1),
}


def told(call, t, matrix):
    """The values, or the error's type and text."""
    try:
        result = call(t, t.tensor(matrix))
    except RuntimeError as error:
        return type(error).__name__.lstrip("_"), str(error)
    return result.tolist()


def flat(values):
    return [x for v in values for x in flat(v)] if isinstance(values, list) else [values]


@pytest.mark.parametrize("name", CALLS)
def test_beside_torch(name):
    for matrix in MATRICES.values():
        ours, theirs = (told(CALLS[name], t, matrix) for t in (kuai, torch))
        if isinstance(theirs, tuple):
            assert ours == theirs
        else:
            assert flat(ours) == pytest.approx(flat(theirs), rel=1e-4, nan_ok=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.linalg.pinv(t.tensor(MATRICES["batch"])),
        lambda t: t.linalg.pinv(t.ones(2, 3), hermitian=True),
        lambda t: t.linalg.pinv(t.ones(2, 2, dtype=t.int64)),
        lambda t: t.linalg.solve_triangular(t.ones(2, 3), t.ones(2, 1), upper=True),
        lambda t: t.linalg.solve_triangular(t.ones(2, 2).long(), t.ones(2, 1), upper=True),
        lambda t: t.linalg.eigh(t.eye(2), "X"),
        lambda t: t.linalg.matrix_power(t.ones(2, 3), -1),
        lambda t: t.linalg.cond(t.eye(2), 3),
        lambda t: t.logdet(t.ones(2, 3)),
        lambda t: t.norm(t.ones(2, 3, 4), "nuc"),
        lambda t: t.cholesky_solve(t.ones(2, 1), t.ones(2, 3)),
    ],
)
def test_errors(call):
    assert error_of(call, kuai) == error_of(call, torch)


def test_least_squares_name_the_matrix():
    with pytest.raises(RuntimeError, match=r"lstsq: \(Batch element 1\): Argument 4 has illegal"):
        kuai.linalg.lstsq(kuai.tensor(MATRICES["batch"]), kuai.ones(2, 2, 1))


def test_inside_a_program_the_result_is_nan():
    compiled = kuai.compile(lambda A: kuai.linalg.matrix_norm(A, 2) + kuai.linalg.pinv(A).sum())
    for _ in range(2):
        assert compiled(kuai.tensor(MATRICES["nan"]) * 1).isnan()
