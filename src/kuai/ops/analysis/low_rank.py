"""Matrices of low rank that are close to a matrix, and a few of its eigenvectors.

Reference: N. Halko, P. G. Martinsson and J. A. Tropp, Finding structure with randomness, SIAM
Review 53, 2011, algorithms 4.4 and 5.1.
"""

from kuai.engine.op import composite
from kuai.ops.array.random_values import randn
from kuai.ops.math.factorization import eigh, linalg_cholesky, linalg_qr, linalg_svd
from kuai.ops.math.products import matmul
from kuai.ops.math.triangular import triangular


def _range(A, q, niter, M):
    """Orthonormal columns whose span nearly holds that of A's first q singular vectors."""
    kind = A.dtype
    mean = None if M is None else M
    start = randn(A.shape[-1], q, dtype=kind, device=A.device)
    apply = _applied(A, mean)
    back = _applied(A.mH, None if mean is None else mean.mH)
    Q = linalg_qr(apply(start)).Q
    for _ in range(niter):
        Q = linalg_qr(back(Q)).Q
        Q = linalg_qr(apply(Q)).Q
    return Q


def _applied(A, mean):
    if mean is None:
        return lambda X: matmul(A, X)
    return lambda X: matmul(A, X) - matmul(mean, X)


@composite(method=False)
def svd_lowrank(A, q=6, niter=2, M=None):
    """The first q singular values and vectors of A (minus M) nearly: U, S, V with A ≈ U diag(S) Vᴴ.

    Args:
        q: a little more than the rank that is looked for.
        niter: how often the range is refined by A Aᴴ.
        M: a matrix, such as one of means, that is subtracted from A.

    Example:
        >>> kuai.svd_lowrank(kuai.eye(3) * 2, q=3)[1].round()
        tensor([2., 2., 2.])
    """
    q = 6 if q is None else q
    M = None if M is None else M.broadcast_to(A.shape)
    rows, columns = A.shape[-2:]
    if rows < columns:
        V, S, U = _decomposed(A.mH, q, niter, None if M is None else M.mH)
        return U, S, V
    return _decomposed(A, q, niter, M)


def _decomposed(A, q, niter, M):
    Q = _range(A, q, niter, M)
    B = _applied(Q.mH, None)(A if M is None else A - M)
    U, S, Vh = linalg_svd(B, full_matrices=False)
    return matmul(Q, U), S, Vh.mH


@composite(method=False)
def pca_lowrank(A, q=None, center=True, niter=2):
    """The first q principal components nearly: `svd_lowrank` of the matrix of centered columns.

    Args:
        q: how many; by default min(6, rows, columns).
        center: whether the means of the columns are subtracted.

    Example:
        >>> kuai.pca_lowrank(kuai.tensor([[1.0, 0.0], [3.0, 0.0]]), q=1)[1]
        tensor([1.4142])
    """
    rows, columns = A.shape[-2:]
    if q is None:
        q = min(6, rows, columns)
    elif not 0 <= q <= min(rows, columns):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than "
            f"min(m, n)={min(rows, columns)}"
        )
    if not isinstance(niter, int) or niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if not center:
        return svd_lowrank(A, q, niter=niter)
    return svd_lowrank(A - A.mean(dim=-2, keepdim=True), q, niter=niter)


@composite(method=False)
def lobpcg(
    A,
    k=None,
    B=None,
    X=None,
    n=None,
    iK=None,
    niter=None,
    tol=None,
    largest=None,
    method=None,
    tracker=None,
    ortho_iparams=None,
    ortho_fparams=None,
    ortho_bparams=None,
):
    """The k largest (or smallest) eigenvalues of symmetric matrices, and their eigenvectors.

    Solves A x = λ B x, for a positive-definite B or B = 1.

    Example:
        >>> kuai.lobpcg(kuai.tensor([[3.0, 0.0], [0.0, 5.0]]), k=1)[0]
        tensor([5.])

    Differs from PyTorch: nothing is iterated; the whole matrix is decomposed, which is exact. The
    arguments about the iteration (X but for its number of columns, iK, niter, …) change nothing.
    """
    count = k if k is not None else n if n is not None else 1 if X is None else X.shape[-1]
    if A.shape[-2] != A.shape[-1]:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    whitened, L = A, None
    if B is not None:
        L = linalg_cholesky(B)
        half = triangular(L, A, False, False, False)
        whitened = triangular(L, half.mH, False, False, False)
    values, vectors = eigh(whitened)
    if largest is None or largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    values, vectors = values[..., :count], vectors[..., :count]
    if L is not None:
        vectors = triangular(L.mH, vectors, True, False, False)
    return values, vectors
