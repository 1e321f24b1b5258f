"""Factorizations of matrices; what follows from them is in `solutions.py`.

Batches of matrices are in the last two dimensions. An indefinite matrix is refused where its
numbers are known anyway; inside a program, which cannot raise, the result is nan (`matrix_checks`).
"""

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME, castable
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops import outdated, return_types
from kuai.ops.elementwise import FLOATING, kind_of
from kuai.ops.math.matrix_checks import (
    EIGH,
    INDEFINITE,
    check_eigenvalues,
    check_singular_values,
    check_square,
    matrices,
    refuse_infos,
    refuse_nonfinite,
    seems_finite,
)
from kuai.ops.math.matrix_factors import (
    adjoint,
    cholesky_and_info,
    one_triangle,
)
from kuai.ops.math.singular_values import singular_values, thin_svd, whole_svd

return_types.return_type("linalg_qr", "Q", "R")
return_types.return_type("linalg_svd", "U", "S", "Vh")
return_types.return_type("linalg_eigh", "eigenvalues", "eigenvectors")
return_types.return_type("linalg_eig", "eigenvalues", "eigenvectors")
return_types.return_type("svd", "U", "S", "V")
return_types.return_type("qr", "Q", "R")


# Factorizations -----------------------------------------------------------------------------------


@op(function=False, method=False, name="linalg.cholesky", grad="LinalgCholeskyExBackward0")
def cholesky_of(A: Array, upper: bool, name: str):
    """The triangular factor, nan if there is none."""
    looks = name.startswith("linalg.")
    A = matrices(name, A, kernel="cholesky_cpu", looks=looks)
    A = one_triangle(A, "U" if upper else "L")
    L = jnp.linalg.cholesky(A, symmetrize_input=False)
    return adjoint(L) if upper else L


@composite(export="linalg.cholesky", autocast={"cpu": "float32"}, exact_out=SAME)
def linalg_cholesky(A, *, upper=False):
    """The lower triangular L with `A = L Lᴴ` (or the upper one).

    Example:
        >>> kuai.linalg.cholesky(kuai.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])

    Raises:
        LinAlgError: the matrix is not positive-definite.
    """
    return _checked_cholesky("linalg.cholesky", A, upper)


def _checked_cholesky(name, A, upper):
    L = cholesky_of(A, upper, name)
    if not seems_finite(L):
        refuse_infos(name, cholesky_and_info(A.detach(), upper)[1], INDEFINITE)
    return L


def _qr(A, mode: str):
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    if mode == "r":
        return jnp.zeros(0, A.dtype), jnp.linalg.qr(A, mode="r")
    return tuple(jnp.linalg.qr(A, mode=mode))


@op(
    export="linalg.qr",
    result=return_types.linalg_qr,
    grad="LinalgQrBackward0",
    autocast={"cpu": "float32"},
    exact_out=SAME,
    out_name="linalg_qr",
)
def linalg_qr(A: Array, mode: str = "reduced"):
    """The orthogonal Q and upper triangular R with `A = Q R`.

    Args:
        mode: "reduced", "complete", or "r" for R alone.

    Example:
        >>> kuai.linalg.qr(kuai.ones(3, 2)).R.shape
        torch.Size([2, 2])
    """
    return _qr(matrices("linalg.qr", A, square=False, kernel="geqrf_cpu"), mode)


@op(function=False, method=False, name="linalg.svd", grad="LinalgSvdBackward0")
def svd_of(A: Array, full_matrices: bool):
    """The three factors."""
    A = matrices("linalg.svd", A, square=False, kernel="linalg_svd_cpu")
    if full_matrices and A.shape[-1] != A.shape[-2]:
        return whole_svd(A)
    return thin_svd(A)


@composite(export="linalg.svd", autocast={"cpu": "float32"}, exact_out=SAME, out_name="_linalg_svd")
def linalg_svd(A, full_matrices=True, *, driver=None) -> return_types.linalg_svd:
    """The U, S and Vᴴ with `A = U diag(S) Vᴴ`, S falling.

    Example:
        >>> kuai.linalg.svd(kuai.tensor([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])
    """
    factors = svd_of(A, full_matrices)
    check_singular_values(A, factors[1])
    return return_types.linalg_svd(*factors)


@composite(export="linalg.svdvals", autocast={"cpu": "float32"}, exact_out=SAME)
def svdvals(A, *, driver=None):
    """The singular values, falling.

    Example:
        >>> kuai.linalg.svdvals(kuai.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor([4., 3.])
    """
    values = _svdvals(A)
    check_singular_values(A, values)
    return values


@op(function=False, method=False, name="svdvals", grad="SvdvalsBackward0")
def _svdvals(A: Array):
    return singular_values(matrices("linalg.svd", A, square=False, kernel="linalg_svd_cpu"))


@op(function=False, method=False, name="linalg.eigh", grad="LinalgEighBackward0")
def _eigh(A: Array, UPLO: str):
    A = one_triangle(matrices("linalg.eigh", A, kernel=EIGH, looks=False), UPLO)
    return tuple(jnp.linalg.eigh(A, symmetrize_input=False))


@composite(
    export="linalg.eigh",
    autocast={"cpu": "float32"},
    exact_out=SAME,
    out_name="_linalg_eigh",
)
def eigh(A, UPLO="L") -> return_types.linalg_eigh:
    """The eigenvalues (rising) and eigenvectors of symmetric or Hermitian matrices.

    Example:
        >>> kuai.linalg.eigh(kuai.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([1., 2.])
    """
    values, vectors = _eigh(A, UPLO)
    check_eigenvalues(values, A, UPLO, 1)
    return return_types.linalg_eigh(values, vectors)


@op(function=False, method=False, name="linalg.eigvalsh", grad="LinalgEighBackward0")
def _eigvalsh(A: Array, UPLO: str):
    A = one_triangle(matrices("linalg.eigh", A, kernel=EIGH, looks=False), UPLO)
    return jnp.linalg.eigh(A, symmetrize_input=False)[0]


@composite(export="linalg.eigvalsh", autocast={"cpu": "float32"}, exact_out=SAME)
def eigvalsh(A, UPLO="L"):
    """The eigenvalues of symmetric or Hermitian matrices, rising.

    Example:
        >>> kuai.linalg.eigvalsh(kuai.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([1., 2.])
    """
    values = _eigvalsh(A, UPLO)
    check_eigenvalues(values, A, UPLO, 2)
    return values


def _of_eig(name: str, A):
    """Square matrices that `eig` takes."""
    check_square(name, A)
    if kind_of(A) < FLOATING:
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_name(A.dtype)}")
    return matrices(name, A, kernel="linalg_eig_out_cpu")


_NOT_FINITE = "input tensor should not contain infs or NaNs."


_OF_EIG = tuple(castable("torch.linalg.eig", each) for each in ("eigenvalues", "eigenvectors"))


@composite(export="linalg.eig", autocast={"cpu": "float32"}, exact_out=_OF_EIG)
def eig(A) -> return_types.linalg_eig:
    """The complex eigenvalues and eigenvectors of square matrices (on the CPU only).

    Example:
        >>> kuai.linalg.eig(kuai.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([2.+0.j, 1.+0.j])

    The gradient is right for losses that do not depend on the phases of the eigenvectors.
    """
    refuse_nonfinite("torch.linalg.eig", A, _NOT_FINITE, RuntimeError)
    return return_types.linalg_eig(*_eig(A))


@op(function=False, method=False, name="eig", grad="LinalgEigBackward0")
def _eig(A: Array):
    A = _of_eig("linalg.eig", A)
    if not A.size:
        kind = jnp.promote_types(A.dtype, jnp.complex64)
        return jnp.zeros(A.shape[:-1], kind), A.astype(kind)
    return lax.linalg.eig(A, compute_left_eigenvectors=False, enable_eigvec_derivs=True)


@composite(
    export="linalg.eigvals",
    autocast={"cpu": "float32"},
    exact_out=castable("torch.linalg.eigvals", "eigenvalues"),
)
def eigvals(A):
    """The complex eigenvalues of square matrices (on the CPU only).

    Example:
        >>> kuai.linalg.eigvals(kuai.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([2.+0.j, 1.+0.j])
    """
    refuse_nonfinite("torch.linalg.eig", A, _NOT_FINITE, RuntimeError)
    return _eigvals(A)


@op(function=False, method=False, name="eigvals", grad="EigvalsBackward0")
def _eigvals(A: Array):
    A = _of_eig("linalg.eigvals", A)
    if not A.size:
        return jnp.zeros(A.shape[:-1], jnp.promote_types(A.dtype, jnp.complex64))
    # The second derivative of an eigenvalue asks for the first one of the eigenvectors.
    (values,) = lax.linalg.eig(
        A,
        compute_left_eigenvectors=False,
        compute_right_eigenvectors=False,
        enable_eigvec_derivs=True,
    )
    return values


# The older functions outside `kuai.linalg`, with their own argument order -------------------------


@composite(autocast={"cpu": "float32"}, exact_out=SAME)
def cholesky(input, upper=False):
    """The triangular factor of `linalg.cholesky`.

    Example:
        >>> kuai.cholesky(kuai.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    outdated.tell("cholesky")
    return _checked_cholesky("cholesky", input, upper)


@composite(exact_out=SAME, out_name="linalg_qr")
def qr(input, some=True) -> return_types.qr:
    """The factors of `linalg.qr`.

    Example:
        >>> kuai.qr(kuai.ones(3, 2)).R.shape
        torch.Size([2, 2])
    """
    outdated.tell("qr")
    return return_types.qr(*linalg_qr(input, "reduced" if some else "complete"))


@composite(exact_out=SAME)
def svd(input, some=True, compute_uv=True) -> return_types.svd:
    """The factors of `linalg.svd`, with V instead of Vᴴ.

    Example:
        >>> kuai.svd(kuai.tensor([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])
    """
    U, S, Vh = linalg_svd(input, not some)
    return return_types.svd(U, S, Vh.mH)
