"""Rows of `kuai.ops.math.matrix_factors`, `matrix_functions`, `triangular` and `ldl_factors`."""

import numpy as np

from tests.rowkit import A, Row, quiet

SQUARE = A(values=np.random.default_rng(1).standard_normal((3, 3)) + 3 * np.eye(3))
SQUARES = A(values=np.random.default_rng(2).standard_normal((2, 3, 3)) + 3 * np.eye(3))
POSITIVE_DEFINITE = A(values=[[4.0, 2.0, 0.5], [2.0, 5.0, 1.0], [0.5, 1.0, 3.0]])
SINGULAR = A(values=[[[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]])
INDEFINITE = A(values=[[1.0, 4.0, 2.0], [4.0, -1.0, 1.0], [2.0, 1.0, 0.0]])
TALL, RIGHT = A(4, 3), A(3, 2)
LOOSE = dict(rtol=1e-4, atol=1e-5)


def _qr(t, a):
    return t.linalg.householder_product(*t.geqrf(a))


ROWS = [
    Row("linalg.lu_factor", lambda t, a: t.linalg.lu_factor(a)[0], SQUARES, **LOOSE),
    Row("lu_factor pivots", lambda t, a: t.linalg.lu_factor(a).pivots, SQUARES, grad=False),
    Row("linalg.lu", lambda t, a: (t.linalg.lu(a).L, t.linalg.lu(a).U), SQUARES, **LOOSE),
    Row("linalg.lu P", lambda t, a: t.linalg.lu(a).P, A(3, 5), grad=False),
    Row("lu_unpack", lambda t, a: t.lu_unpack(*t.linalg.lu_factor(a))[1:], TALL, **LOOSE),
    Row("lu", quiet(lambda t, a: a.lu()[0]), SQUARE, **LOOSE),
    Row("lu infos", quiet(lambda t, a: t.lu(a, get_infos=True)[2]), SQUARE, grad=False),
    *(
        Row(
            f"linalg.lu_solve {left} {adjoint}",
            lambda t, a, b, left=left, adjoint=adjoint: t.linalg.lu_solve(
                *t.linalg.lu_factor(a), b if left else b.mT, left=left, adjoint=adjoint
            ),
            SQUARES,
            RIGHT,
            **LOOSE,
        )
        for left, adjoint in ((True, False), (False, True))
    ),
    Row(
        "lu_solve",
        quiet(lambda t, a, b: b.lu_solve(*t.linalg.lu_factor(a))),
        SQUARE,
        RIGHT,
        **LOOSE,
    ),
    Row(
        "linalg.lu_factor_ex inv_ex solve_ex cholesky_ex",
        lambda t, a: (
            t.linalg.lu_factor_ex(a).info,
            t.linalg.inv_ex(a).info,
            t.linalg.solve_ex(a, a).info,
            t.linalg.cholesky_ex(a).info,
        ),
        SINGULAR,
        grad=False,
    ),
    Row("linalg.inv_ex", lambda t, a: t.linalg.inv_ex(a).inverse, SQUARES, **LOOSE),
    Row("linalg.solve_ex", lambda t, a, b: t.linalg.solve_ex(a, b).result, SQUARE, RIGHT, **LOOSE),
    Row("linalg.cholesky_ex", lambda t, a: t.linalg.cholesky_ex(a).L, POSITIVE_DEFINITE, **LOOSE),
    Row(
        "linalg.cholesky one triangle",
        lambda t, a: (t.linalg.cholesky(a.tril() * 1), t.linalg.cholesky(a.triu(), upper=True)),
        POSITIVE_DEFINITE,
        grad=False,
    ),
    Row(
        "cholesky_solve cholesky_inverse",
        lambda t, a, b: (t.cholesky_solve(b, a.tril()), t.cholesky_inverse(a.tril())),
        POSITIVE_DEFINITE,
        RIGHT,
        **LOOSE,
    ),
    Row(
        "triangular_solve",
        quiet(lambda t, a, b: b.triangular_solve(a, upper=False, transpose=True).solution),
        SQUARES,
        RIGHT,
        **LOOSE,
    ),
    Row("linalg.ldl_factor", lambda t, a: t.linalg.ldl_factor(a), INDEFINITE, grad=False),
    Row("linalg.ldl_factor_ex", lambda t, a: t.linalg.ldl_factor_ex(a), INDEFINITE, grad=False),
    Row(
        "linalg.ldl_solve",
        lambda t, b: t.linalg.ldl_solve(*t.linalg.ldl_factor(t.eye(3) * 2), b),
        RIGHT,
        grad=False,  # PyTorch has none
    ),
    Row("linalg.matrix_exp", lambda t, a: t.linalg.matrix_exp(a), A(2, 3, 3), **LOOSE),
    Row("linalg.diagonal", lambda t, a: t.linalg.diagonal(a, offset=1), A(2, 3, 4)),
    Row("linalg.cond", lambda t, a: t.linalg.cond(a), SQUARES, **LOOSE),
    Row("linalg.cond 1", lambda t, a: t.linalg.cond(a, 1), SQUARES, grad=False, **LOOSE),
    Row(
        "linalg.tensorinv",
        lambda t, a: t.linalg.tensorinv(a.reshape(3, 1, 3)),
        SQUARE,
        **LOOSE,
    ),
    Row(
        "linalg.tensorsolve",
        lambda t, a, b: t.linalg.tensorsolve(a.reshape(3, 1, 3), b[:, :1]),
        SQUARE,
        RIGHT,
        **LOOSE,
    ),
    Row("linalg.vander", lambda t, x: t.linalg.vander(x, N=4), A(2, 3)),
    Row("vander", lambda t, x: (t.vander(x), t.vander(x, 2, increasing=True)), A(3), grad=False),
    Row("geqrf", lambda t, a: t.geqrf(a), TALL, grad=False),
    Row("linalg.householder_product", _qr, TALL, grad=False),
    Row("householder_product gradient", lambda t, a: t.orgqr(a, a[0]), TALL, **LOOSE),
    Row("orgqr", lambda t, a: a.orgqr(a[0]), TALL, grad=False),
    Row(
        "ormqr",
        lambda t, a, c: (a.ormqr(a[0], c), t.ormqr(a, a[0], c.mT, left=False, transpose=True)),
        TALL,
        A(4, 2),
        **LOOSE,
    ),
    Row("linalg.eig gradient", lambda t, a: t.linalg.eig(a).eigenvectors.abs(), SQUARE, **LOOSE),
    Row("logdet complex", lambda t, a: t.logdet(a), SQUARE, dtypes=("complex64",)),
]
