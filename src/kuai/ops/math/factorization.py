"""Factorizations of matrices and what follows from them: solutions, inverses, determinants, powers.

Batches of matrices are in the last two dimensions. PyTorch looks at the numbers and raises for a
singular matrix; here, where a step is one program, the result is inf or NaN instead.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.elementwise import FLOATING, kind_of
from kuai.ops.known_values import known
from kuai.ops.math.eigenvectors import eigenpairs
from kuai.ops.return_types import return_type

_QR = return_type("linalg_qr", "Q", "R")
_SVD = return_type("linalg_svd", "U", "S", "Vh")
_EIGH = return_type("linalg_eigh", "eigenvalues", "eigenvectors")
_EIG = return_type("linalg_eig", "eigenvalues", "eigenvectors")
_LSTSQ = return_type("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
_OLD_SVD = return_type("svd", "U", "S", "V")
_OLD_QR = return_type("qr", "Q", "R")
_LINALG_SLOGDET = return_type("linalg_slogdet", "sign", "logabsdet")
_SLOGDET = return_type("slogdet", "sign", "logabsdet")


def _matrices(name: str, A, square: bool = True):
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, "
            f"but they are {A.shape[-2]} by {A.shape[-1]} matrices"
        )
    if kind_of(A) < FLOATING:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. "
            f"Got {scalar_name(A.dtype)}"
        )
    return A


# Solutions and inverses ---------------------------------------------------------------------------


@op(export="linalg.inv", grad="LinalgInvExBackward0", autocast={"cpu": "float32"})
def inv(A: Array):
    """The inverse of square matrices.

    Example:
        >>> kuai.linalg.inv(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return jnp.linalg.inv(_matrices("linalg.inv", A))


@composite
def inverse(input):
    """The inverse of square matrices.

    Example:
        >>> kuai.inverse(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return inv(input)


@op(export="linalg.solve", grad="LinalgSolveExBackward0", autocast={"cpu": "float32"})
def solve(A: Array, B: Array, *, left: bool = True):
    """The X with `A X = B` (or `X A = B` if not `left`); B may be a vector.

    Example:
        >>> kuai.linalg.solve(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]), kuai.tensor([2.0, 4.0]))
        tensor([1., 1.])
    """
    A = _matrices("linalg.solve", A)
    if not left:
        return _transposed(jnp.linalg.solve(_transposed(A), _transposed(B)))
    is_vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    return jnp.linalg.solve(A, B[..., None])[..., 0] if is_vector else jnp.linalg.solve(A, B)


def _transposed(A):
    return jnp.swapaxes(A, -1, -2)


@op(export="linalg.solve_triangular", grad="LinalgSolveTriangularBackward0")
def solve_triangular(
    A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False
):
    """The X with `A X = B` for a triangular A.

    Example:
        >>> kuai.linalg.solve_triangular(kuai.eye(2), kuai.ones(2, 1), upper=True)
        tensor([[1.],
                [1.]])
    """
    return jax.lax.linalg.triangular_solve(
        A, B, left_side=left, lower=not upper, unit_diagonal=unitriangular
    )


@op(export="linalg.pinv")
def pinv(
    A: Array,
    rcond: Array | Number | None = None,
    hermitian: bool = False,
    *,
    atol: Array | Number | None = None,
    rtol: Array | Number | None = None,
):
    """The Moore-Penrose pseudo-inverse.

    Args:
        atol, rtol: singular values up to the larger of `atol` and `rtol` times the largest one
            count as 0. The default of `rtol` is the precision of the dtype times the larger side,
            or 0 if there is an `atol`.
        rcond: an older name of `rtol`.

    Example:
        >>> kuai.linalg.pinv(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    A = _matrices("linalg.pinv", A, square=False)
    values = jax.lax.stop_gradient(_singular_values(A))
    limit = _smallest(A, values, atol, rcond if rtol is None else rtol)
    largest = jnp.max(values, -1, initial=0)
    relative = limit / jnp.where(largest == 0, 1, largest)
    return jnp.linalg.pinv(A, rtol=relative, hermitian=hermitian)


def _singular_values(A):
    return jnp.linalg.svd(A, compute_uv=False)


def _smallest(A, values, atol, rtol):
    """The size up to which a singular value counts as 0."""
    if rtol is None:
        precision = max(A.shape[-2:]) * jnp.finfo(A.dtype).eps
        rtol = precision if atol is None else jnp.where(jnp.asarray(atol) > 0, 0, precision)
    relative = jnp.max(values, -1, initial=0) * rtol
    return jnp.maximum(0 if atol is None else atol, relative).astype(values.dtype)


@composite(autocast={"cpu": "float32"})
def pinverse(input, rcond=1e-15):
    """The Moore-Penrose pseudo-inverse, without singular values below `rcond` times the largest.

    Example:
        >>> kuai.pinverse(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return pinv(input, rtol=rcond)


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@op(function=False, method=False, name="linalg.lstsq", grad="LinalgLstsqBackward0")
def least_squares(A: Array, B: Array, rcond: float | None, driver: str):
    """Solution, squared distances for each column, rank and singular values."""
    A = _matrices("linalg.lstsq", A, square=False)
    rows, columns = A.shape[-2:]
    kind = jnp.finfo(A.dtype).dtype
    if not A.size:
        empty = jnp.zeros((*A.shape[:-2], 0), kind)
        rank = jnp.zeros(A.shape[:-2], jnp.int64)
        return jnp.zeros((*A.shape[:-2], columns, B.shape[-1]), A.dtype), empty, rank, empty
    rcond = max(rows, columns) * float(jnp.finfo(kind).eps) if rcond is None else rcond
    solution = jnp.linalg.pinv(A, rtol=None if driver == "gels" else rcond) @ B
    residuals = jnp.sum(jnp.square(jnp.abs(A @ solution - B)), -2, dtype=kind)
    values = _singular_values(jax.lax.stop_gradient(A))
    rank = jnp.sum(values > rcond * values[..., :1], -1, dtype=jnp.int64)
    return solution, residuals, rank, values


@composite(export="linalg.lstsq", autocast={"cpu": "float32"})
def lstsq(A, B, rcond=None, *, driver=None) -> _LSTSQ:
    """The X for which `A X - B` is smallest in the Frobenius norm.

    Args:
        rcond: singular values below this part of the largest count as 0.
        driver: which of LAPACK's four routines the result looks like. All are computed by the
            singular values, but `"gels"` knows no rank, `"gelsd"` and `"gelss"` give the singular
            values, and `"gelsy"` (the default) no residuals.

    Example:
        >>> kuai.linalg.lstsq(kuai.eye(2), kuai.ones(2, 1)).solution
        tensor([[1.],
                [1.]])

    Differs from PyTorch: with a matrix that has not full rank `"gels"` gives a solution, too.
    """
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    solution, residuals, rank, values = least_squares(A, B, rcond, driver)
    rows, columns = A.shape[-2:]
    ranks = known(rank)
    full = rows > columns and (ranks is None or bool((ranks == columns).all()))
    nothing = values.new_empty(0)
    return _LSTSQ(
        solution,
        residuals if full and driver != "gelsy" else nothing,
        rank if driver != "gels" else rank.new_empty(0),
        values.detach() if driver in ("gelsd", "gelss") else nothing,
    )


# Determinants and ranks ---------------------------------------------------------------------------


@op(grad="LinalgDetBackward0", aliases=("linalg.det",))
def det(A: Array):
    """The determinant of square matrices.

    Example:
        >>> kuai.det(kuai.tensor([[2.0, 1.0], [0.0, 3.0]]))
        tensor(6.)
    """
    return jnp.linalg.det(_matrices("linalg.det", A))


def _signed_log(A):
    sign, logarithm = jnp.linalg.slogdet(_matrices("linalg.slogdet", A))
    return sign, logarithm


@op(result=_SLOGDET, grad="LinalgSlogdetBackward0")
def slogdet(input: Array):
    """The sign of the determinant and the logarithm of its absolute value.

    Example:
        >>> kuai.slogdet(kuai.tensor([[2.0, 0.0], [0.0, -3.0]]))
        torch.return_types.slogdet(
        sign=tensor(-1.),
        logabsdet=tensor(1.7918))
    """
    return _signed_log(input)


@composite(export="linalg.slogdet")
def linalg_slogdet(A) -> _LINALG_SLOGDET:
    """The sign of the determinant and the logarithm of its absolute value.

    Example:
        >>> kuai.linalg.slogdet(kuai.tensor([[2.0, 0.0], [0.0, -3.0]])).sign
        tensor(-1.)
    """
    return _LINALG_SLOGDET(*slogdet(A))


@op
def logdet(input: Array):
    """The logarithm of the determinant; NaN where that is negative.

    Example:
        >>> kuai.logdet(kuai.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor(1.7918)
    """
    sign, logarithm = _signed_log(input)
    return jnp.where(sign < 0, jnp.nan, logarithm)


@op(export="linalg.matrix_rank", autocast={"cpu": "float32"})
def matrix_rank(
    A: Array,
    tol: Array | Number | None = None,
    hermitian: bool = False,
    *,
    atol: Array | Number | None = None,
    rtol: Array | Number | None = None,
):
    """The number of singular values above a tolerance.

    Args:
        atol, rtol: the tolerance is the larger of `atol` and `rtol` times the largest singular
            value, with the defaults of `pinv`.
        tol: an older name of `atol`, with `rtol` 0.

    Example:
        >>> kuai.linalg.matrix_rank(kuai.ones(3, 3))
        tensor(1)
        >>> kuai.linalg.matrix_rank(kuai.tensor([[4.0, 0.0], [0.0, 1.0]]), atol=2.0)
        tensor(1)
    """
    A = _matrices("linalg.matrix_rank", A, square=False)
    values = _singular_values(A)
    limit = _smallest(A, values, atol, rtol) if tol is None else jnp.asarray(tol, values.dtype)
    return jnp.sum(values > limit[..., None], -1, dtype=jnp.int64)


@op(aliases=("linalg.matrix_power",))
def matrix_power(A: Array, n: int):
    """The n-th power of square matrices; a negative one is that of the inverse.

    Example:
        >>> kuai.linalg.matrix_power(kuai.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
        tensor([[1., 3.],
                [0., 1.]])
    """
    return jnp.linalg.matrix_power(_matrices("linalg.matrix_power", A), n)


# Factorizations -----------------------------------------------------------------------------------


@op(export="linalg.cholesky", grad="LinalgCholeskyExBackward0", autocast={"cpu": "float32"})
def linalg_cholesky(A: Array, *, upper: bool = False):
    """The lower triangular L with `A = L Lᴴ` (or the upper one).

    Example:
        >>> kuai.linalg.cholesky(kuai.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    L = jnp.linalg.cholesky(_matrices("linalg.cholesky", A))
    return jnp.conj(_transposed(L)) if upper else L


def _qr(A, mode: str):
    if mode == "r":
        return jnp.zeros(0, A.dtype), jnp.linalg.qr(A, mode="r")
    return tuple(jnp.linalg.qr(A, mode=mode))


@op(export="linalg.qr", result=_QR, grad="LinalgQrBackward0", autocast={"cpu": "float32"})
def linalg_qr(A: Array, mode: str = "reduced"):
    """The orthogonal Q and upper triangular R with `A = Q R`.

    Args:
        mode: "reduced", "complete", or "r" for R alone.

    Example:
        >>> kuai.linalg.qr(kuai.ones(3, 2)).R.shape
        torch.Size([2, 2])
    """
    return _qr(_matrices("linalg.qr", A, square=False), mode)


@op(export="linalg.svd", result=_SVD, grad="LinalgSvdBackward0", autocast={"cpu": "float32"})
def linalg_svd(A: Array, full_matrices: bool = True, *, driver: str | None = None):
    """The U, S and Vᴴ with `A = U diag(S) Vᴴ`, S falling.

    Example:
        >>> kuai.linalg.svd(kuai.tensor([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])
    """
    return tuple(jnp.linalg.svd(_matrices("linalg.svd", A, square=False), full_matrices))


@op(export="linalg.svdvals", autocast={"cpu": "float32"})
def svdvals(A: Array, *, driver: str | None = None):
    """The singular values, falling.

    Example:
        >>> kuai.linalg.svdvals(kuai.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor([4., 3.])
    """
    return jnp.linalg.svd(_matrices("linalg.svdvals", A, square=False), compute_uv=False)


def _one_triangle(A, UPLO: str):
    """The Hermitian matrix one triangle stands for; as in PyTorch both share the gradient."""
    half = jnp.tril(A, -1) if UPLO == "L" else jnp.triu(A, 1)
    whole = half + jnp.conj(_transposed(half)) + jnp.eye(A.shape[-1], dtype=A.dtype) * A
    mean = (A + jnp.conj(_transposed(A))) / 2
    return mean + jax.lax.stop_gradient(whole - mean)


@op(export="linalg.eigh", result=_EIGH, grad="LinalgEighBackward0", autocast={"cpu": "float32"})
def eigh(A: Array, UPLO: str = "L"):
    """The eigenvalues (rising) and eigenvectors of symmetric or Hermitian matrices.

    Example:
        >>> kuai.linalg.eigh(kuai.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([1., 2.])
    """
    A = _one_triangle(_matrices("linalg.eigh", A), UPLO)
    return tuple(jnp.linalg.eigh(A, symmetrize_input=False))


@op(export="linalg.eigvalsh", autocast={"cpu": "float32"})
def eigvalsh(A: Array, UPLO: str = "L"):
    """The eigenvalues of symmetric or Hermitian matrices, rising.

    Example:
        >>> kuai.linalg.eigvalsh(kuai.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([1., 2.])
    """
    A = _one_triangle(_matrices("linalg.eigvalsh", A), UPLO)
    return jnp.linalg.eigh(A, symmetrize_input=False)[0]


@op(export="linalg.eig", result=_EIG, grad="LinalgEigBackward0", autocast={"cpu": "float32"})
def eig(A: Array):
    """The complex eigenvalues and eigenvectors of square matrices (on the CPU only).

    Example:
        >>> kuai.linalg.eig(kuai.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([2.+0.j, 1.+0.j])
    """
    return eigenpairs(_matrices("linalg.eig", A))


@op(export="linalg.eigvals", autocast={"cpu": "float32"})
def eigvals(A: Array):
    """The complex eigenvalues of square matrices (on the CPU only).

    Example:
        >>> kuai.linalg.eigvals(kuai.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([2.+0.j, 1.+0.j])
    """
    return jnp.linalg.eigvals(_matrices("linalg.eigvals", A))


# The older functions outside `kuai.linalg`, with their own argument order -------------------------


@composite
def cholesky(input, upper=False):
    """The triangular factor of `linalg.cholesky`.

    Example:
        >>> kuai.cholesky(kuai.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    return linalg_cholesky(input, upper=upper)


@composite
def qr(input, some=True) -> _OLD_QR:
    """The factors of `linalg.qr`.

    Example:
        >>> kuai.qr(kuai.ones(3, 2)).R.shape
        torch.Size([2, 2])
    """
    return _OLD_QR(*linalg_qr(input, "reduced" if some else "complete"))


@composite
def svd(input, some=True, compute_uv=True) -> _OLD_SVD:
    """The factors of `linalg.svd`, with V instead of Vᴴ.

    Example:
        >>> kuai.svd(kuai.tensor([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])
    """
    U, S, Vh = linalg_svd(input, not some)
    return _OLD_SVD(U, S, Vh.mH)
