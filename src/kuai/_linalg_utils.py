"""`kuai._linalg_utils`: helpers of PyTorch's linear algebra."""

from typing import Any

from kuai.ops.math.factorization import eigh, qr

__all__ = ["basis", "bform", "matmul", "qform", "symeig"]


def matmul(A: Any, B: Any) -> Any:
    """`A @ B`; `B` where `A` is None."""
    return B if A is None else A @ B


def bform(X: Any, A: Any, Y: Any) -> Any:
    """`X^T A Y`."""
    return X.mT @ matmul(A, Y)


def qform(A: Any, S: Any) -> Any:
    """`S^T A S`."""
    return bform(S, A, S)


def basis(A: Any) -> Any:
    """Orthonormal columns that span those of a matrix."""
    return qr(A)[0]


def symeig(A: Any, largest: bool | None = False) -> tuple[Any, Any]:
    """Eigenvalues and vectors of a symmetric matrix, smallest or largest first."""
    values, vectors = eigh(A)
    return (values.flip(-1), vectors.flip(-1)) if largest else (values, vectors)
