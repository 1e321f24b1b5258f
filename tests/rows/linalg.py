"""Rows of `kuai.ops.math`: `products`, `contraction`, `linalg`, `factorization`, `solutions`."""

import numpy as np

from tests.rowkit import A, Row

X, Y, V, W = A(3, 4), A(4, 5), A(4), A(3)
BATCH, OTHER_BATCH = A(2, 3, 4), A(2, 4, 5)
SQUARE = A(values=np.random.default_rng(1).standard_normal((3, 3)) + 3 * np.eye(3))
SQUARES = A(values=np.random.default_rng(2).standard_normal((2, 3, 3)) + 3 * np.eye(3))
POSITIVE_DEFINITE = A(values=[[4.0, 2.0, 0.5], [2.0, 5.0, 1.0], [0.5, 1.0, 3.0]])
INF = float("inf")
FLOATS = ("float32", "float64", "float16", "bfloat16")

_PRODUCTS = [
    Row("spmm", lambda t, x, y: t.spmm(x, y) + t.dsmm(x, y), X, Y),
    Row("mm", lambda t, x, y: t.mm(x, y), X, Y, dtypes=FLOATS, gradcheck=True),
    Row("bmm", lambda t, x, y: t.bmm(x, y), BATCH, OTHER_BATCH, gradcheck=True),
    Row("mv", lambda t, x, v: t.mv(x, v), X, V, gradcheck=True),
    Row("dot", lambda t, x, y: t.dot(x, y), V, V, gradcheck=True),
    Row("vdot", lambda t, x, y: t.vdot(x, y), V, V),
    Row("outer", lambda t, x, y: (t.outer(x, y), t.ger(x, y)), V, W, gradcheck=True),
    Row("inner", lambda t, x, y: t.inner(x, y), X, A(2, 4), gradcheck=True),
    *(
        Row(
            f"matmul {a} {b}",
            lambda t, x, y: t.matmul(x, y),
            A(*a),
            A(*b),
            gradcheck=True,
            atol=2e-6,
        )
        for a, b in [
            ((4,), (4,)),
            ((3, 4), (4,)),
            ((4,), (4, 5)),
            ((3, 4), (4, 5)),
            ((2, 3, 4), (4, 5)),
            ((2, 3, 4), (4,)),
            ((4,), (2, 4, 5)),
            ((3, 4), (2, 4, 5)),
            ((2, 3, 4), (2, 4, 5)),
            ((2, 1, 3, 4), (6, 4, 5)),
        ]
    ),
    Row("matmul integers", lambda t, x, y: x @ y, A(2, 3, dtype="int64"), A(3, 2, dtype="int64")),
    Row("matmul half", lambda t, x, y: x @ y, X, Y, dtypes=("float16", "bfloat16")),
    Row("matmul complex", lambda t, x, y: x @ y, X, Y, dtypes=("complex64",)),
    Row(
        "addmm", lambda t, b, x, y: t.addmm(b, x, y, beta=0.5, alpha=2), A(5), X, Y, gradcheck=True
    ),
    Row("addmv", lambda t, b, x, y: t.addmv(b, x, y, beta=0.5, alpha=2), W, X, V),
    Row("addr", lambda t, b, x, y: t.addr(b, x, y, beta=0.5, alpha=2), A(3, 4), W, V),
    Row("baddbmm", lambda t, b, x, y: t.baddbmm(b, x, y, beta=0.5), A(3, 5), BATCH, OTHER_BATCH),
    Row("addbmm", lambda t, b, x, y: t.addbmm(b, x, y, alpha=2), A(3, 5), BATCH, OTHER_BATCH),
]

_EQUATIONS = {
    "ij,jk->ik": (X, Y),
    "ij,kj": (X, A(2, 4)),
    "bij,bjk->bik": (BATCH, OTHER_BATCH),
    "ij->": (X,),
    "ij->ji": (X,),
    "ii->i": (A(3, 3),),
    "...ij,...jk->...ik": (BATCH, OTHER_BATCH),
    "i,j,k->ijk": (W, V, W),
    "ii": (A(3, 3),),
}

_CONTRACTIONS = [
    *(
        Row(f"einsum {e}", lambda t, *xs, e=e: t.einsum(e, *xs), *xs, gradcheck=True)
        for e, xs in _EQUATIONS.items()
    ),
    Row("einsum lists", lambda t, x, y: t.einsum(x, [0, 1], y, [1, 2], [0, 2]), X, Y),
    Row("tensordot", lambda t, x, y: t.tensordot(x, y, dims=1), BATCH, Y, gradcheck=True),
    Row(
        "tensordot lists",
        lambda t, x, y: t.tensordot(x, y, dims=([0, 2], [0, 1])),
        BATCH,
        OTHER_BATCH,
    ),
    Row("kron", lambda t, x, y: t.kron(x, y), A(2, 2), A(2, 3)),
    Row("cross", lambda t, x, y: (t.cross(x, y, dim=0), t.linalg.cross(x.T, y.T)), X, X),
    *(Row(f"cdist {p}", lambda t, x, y, p=p: t.cdist(x, y, p), X, A(5, 4)) for p in (1, 2, 3, INF)),
    Row("cdist same rows", lambda t, x: t.cdist(x, x), X, grad=False),
    Row("cdist many", lambda t, x, y: t.cdist(x, y), A(30, 4), A(5, 4), rtol=1e-3, atol=1e-3),
    Row("pdist", lambda t, x: t.nn.functional.pdist(x), X),
    Row("chain_matmul", lambda t, x, y: t.chain_matmul(x, y, y.T), X, Y),
    Row("linalg.multi_dot", lambda t, x, y: t.linalg.multi_dot([x, y, y.T, y]), X, Y, atol=1e-4),
    Row("linalg.vecdot", lambda t, x, y: t.linalg.vecdot(x, y), X, X),
    Row("linalg.vecdot:one", lambda t, x, y: t.linalg.vecdot(x, y), A(3), A(2, 3)),
]

_NORMS = [
    *(
        Row(f"linalg.vector_norm {p}", lambda t, x, p=p: t.linalg.vector_norm(x, p, dim=1), X)
        for p in (0.5, 1, 2, 3, INF, -INF)
    ),
    *(
        Row(
            f"linalg.matrix_norm {p}",
            lambda t, x, p=p: t.linalg.matrix_norm(x, p),
            BATCH,
            rtol=1e-4,
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)
    ),
    Row(
        "linalg.norm",
        lambda t, x: (t.linalg.norm(x), t.linalg.norm(x, 1), t.linalg.norm(x, dim=0)),
        X,
    ),
]

GRADED = A(values=[[[4.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.01, 0]]] * 2)  # singular: 4, 1, 0.01

_SOLVING = [
    *(
        Row(
            f"linalg.{name}",
            lambda t, x, n=name: getattr(t.linalg, n)(x),
            SQUARES,
            rtol=1e-4,
            atol=1e-5,
        )
        for name in ("inv", "det", "slogdet", "pinv", "matrix_rank", "svdvals")
    ),
    *(
        Row(
            f"linalg.{name} {tolerances}",
            lambda t, x, n=name, o=tolerances: getattr(t.linalg, n)(x, **o),
            GRADED,
            rtol=1e-4,
        )
        for name, tolerances in (
            ("matrix_rank", {"atol": 0.1}),
            ("matrix_rank", {"rtol": 0.1}),
            ("matrix_rank", {"atol": 0.5, "rtol": 0.4}),
            ("matrix_rank", {"tol": 0.1}),
            ("pinv", {"atol": 0.1}),
            ("pinv", {"rtol": 0.1}),
            ("pinv", {"atol": 1.5, "rtol": 0.1}),
            ("pinv", {"rcond": 0.1}),
        )
    ),
    *(
        Row(name, lambda t, x, n=name: getattr(t, n)(x), SQUARE, rtol=1e-4, atol=1e-5)
        for name in ("inverse", "det", "slogdet", "logdet", "pinverse")
    ),
    Row("linalg.solve", lambda t, a, b: t.linalg.solve(a, b), SQUARES, A(2, 3, 2), gradcheck=True),
    Row("linalg.solve vector", lambda t, a, b: t.linalg.solve(a, b), SQUARE, W),
    Row("linalg.solve right", lambda t, a, b: t.linalg.solve(a, b, left=False), SQUARE, A(2, 3)),
    Row(
        "linalg.solve_triangular of batches",
        lambda t, a, b: t.linalg.solve_triangular(a.triu() + 3 * t.eye(3), b, upper=True),
        A(3, 3),
        A(2, 3, 2),
    ),
    Row("xlogy at 0", lambda t, x, y: t.xlogy(x, y), A(values=[0.0, 0, 0]), A(values=[0.5, 2, 3])),
    Row(
        "linalg.solve_triangular",
        lambda t, a, b: t.linalg.solve_triangular(a.triu(), b, upper=True),
        SQUARE,
        A(3, 2),
        rtol=1e-4,
    ),
    Row(
        "linalg.cholesky",
        lambda t, a: (t.linalg.cholesky(a), t.linalg.cholesky(a, upper=True)),
        POSITIVE_DEFINITE,
        grad=False,
    ),
    Row("linalg.qr", lambda t, a: (lambda q, r: q @ r)(*t.linalg.qr(a)), X, grad=False),
    Row("linalg.svd", lambda t, a: t.linalg.svd(a, full_matrices=False).S, X),
    Row("svd", lambda t, a: (lambda u, s, v: (u * s) @ v.T)(*t.svd(a)), X, grad=False),
    Row("linalg.eigh", lambda t, a: t.linalg.eigh(a).eigenvalues, POSITIVE_DEFINITE),
    Row("linalg.eigvalsh", lambda t, a: t.linalg.eigvalsh(a), POSITIVE_DEFINITE),
    Row(
        "linalg.eig",
        lambda t, a: t.linalg.eigvals(a).real.sort().values,
        POSITIVE_DEFINITE,
        grad=False,
    ),
    Row(
        "linalg.lstsq",
        lambda t, a, b: t.linalg.lstsq(a, b).solution,
        A(5, 3),
        A(5, 2),
        grad=False,
        rtol=1e-4,
    ),
    Row(
        "linalg.matrix_power",
        lambda t, a: (t.linalg.matrix_power(a, 3), a.matrix_power(-1)),
        SQUARE,
        rtol=1e-4,
        atol=1e-5,
    ),
]

ROWS = [*_PRODUCTS, *_CONTRACTIONS, *_NORMS, *_SOLVING]
