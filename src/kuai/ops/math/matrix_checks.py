"""What is refused about matrices: wrong shapes and dtypes, and numbers that no algorithm can use.

Shapes are looked at while an operation is traced. Numbers are looked at where they are known
anyway: outside of any program, on the CPU. A program has no way to raise, so in it a singular
matrix gives inf or nan; the operations whose names end in `_ex` say by a number what went wrong.
"""

import numpy as np

from kuai.engine.op import REGISTRY
from kuai.engine.tensor.concrete import concrete, is_concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.errors import LinAlgError
from kuai.ops.elementwise import FLOATING, kind_of

REGISTRY.export(LinAlgError, "linalg.LinAlgError")

EIGH = "linalg_eigh_cpu"


def matrices(
    name: str,
    A,
    square: bool = True,
    what: str = "A",
    low_precision: bool = False,
    kernel: str | None = None,
    looks: bool = True,
):
    """The array, if it is one of matrices of floating point or complex numbers.

    Args:
        kernel: who refuses 16-bit numbers in PyTorch, if the function itself does not.
        looks: False if that kernel is the one to refuse whole numbers, too.
    """
    check_square(name, A, what, square)
    whole, short = kind_of(A) < FLOATING, A.dtype.itemsize == 2 and not low_precision
    if kernel is not None and (short or whole) and not (whole and looks):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(A.dtype)}'")
    numbers_of(name, A)
    if short:
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {scalar_name(A.dtype)}"
        )
    return A


def numbers_of(name: str, A) -> None:
    """PyTorch's error for whole numbers and bools."""
    if kind_of(A) < FLOATING:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. "
            f"Got {scalar_name(A.dtype)}"
        )


def same_dtype(name: str, **arrays) -> None:
    """PyTorch's error for two arrays, given by their names, of different dtypes."""
    (first, A), (second, B) = arrays.items()
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected {first} and {second} to have the same dtype, but found {first} of "
            f"type {scalar_name(A.dtype)} and {second} of type {scalar_name(B.dtype)} instead"
        )


def float_or_double(A) -> None:
    """PyTorch's error for numbers whose precision is not that of a float or a double."""
    if kind_of(A) < FLOATING or A.dtype.itemsize == 2:
        raise RuntimeError("This function doesn't handle types other than float and double")


def check_square(name: str, A, what: str = "A", square: bool = True) -> None:
    """PyTorch's error for what is no matrix, or no square one."""
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")
    if square and A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: {what} must be batches of square matrices, "
            f"but they are {A.shape[-2]} by {A.shape[-1]} matrices"
        )


def known(*tensors) -> bool:
    """Whether looking at these tensors' numbers makes nobody wait."""
    return all(is_concrete(tensor) and tensor.device.type == "cpu" for tensor in tensors)


def numbers(tensor) -> np.ndarray:
    """The numbers of a tensor that is `known`."""
    return concrete(tensor, "a check")


def refuse_infos(name: str, info, text: str, error: type[Exception] = LinAlgError) -> None:
    """Raise for the first matrix whose info is not 0; `text` has {} for it.

    Args:
        info: a tensor of a number for each matrix: 0, or the number of the row where it failed.
    """
    if not known(info):
        return
    failed = numbers(info).reshape(-1)
    if failed.any():
        first = int(np.flatnonzero(failed)[0])
        batch = f"(Batch element {first}): " if info.ndim else ""
        raise error(f"{name}: {batch}{text.format(int(failed[first]))}")


SINGULAR = (
    "The diagonal element {} is zero, the inversion could not be completed because the input "
    "matrix is singular."
)
UNSOLVABLE = "The solver failed because the input matrix is singular."
INDEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {} is not positive-definite)."
)

NOT_CONVERGED = (
    "The algorithm failed to converge because the input matrix contained non-finite values."
)


def seems_finite(result) -> bool:
    """Whether a result's numbers are finite, or not known."""
    return not known(result) or bool(np.isfinite(numbers(result)).all())


def seems_fine(result, A) -> bool:
    """Whether a result shows no sign of failure, or its numbers are not known.

    A failure leaves inf or nan behind, which is cheap to see; only then its place is looked for.
    """
    if seems_finite(result) or not known(A):
        return True
    return not np.isfinite(numbers(A)).all()


def refuse_nonfinite(name: str, A, text: str, error: type[Exception] = LinAlgError) -> None:
    """Raise if a matrix holds inf or nan."""
    if known(A) and not np.isfinite(numbers(A)).all():
        raise error(f"{name}: {text}")


def refuse_nan(
    name: str, A, text: str, error: type[Exception] = LinAlgError, triangle: str | None = None
) -> None:
    """Raise for the first matrix that holds nan, as LAPACK does; inf passes, and gives nan.

    Args:
        triangle: the only one that is looked at, "L" or "U".
    """
    if A.ndim < 2 or not known(A):
        return
    values = numbers(A)
    if triangle is not None:
        values = np.tril(values) if triangle == "L" else np.triu(values)
    wrong = np.isnan(values).any((-2, -1)).reshape(-1)
    if wrong.any():
        batch = f"(Batch element {int(wrong.argmax())}): " if A.ndim > 2 else ""
        raise error(f"{name}: {batch}{text}")


def check_singular_values(A, *results) -> None:
    """Raise what PyTorch's `svd` does, if a result is not finite because a matrix holds nan."""
    if not all(seems_finite(result) for result in results):
        refuse_nan("linalg.svd", A, NOT_CONVERGED)


def check_eigenvalues(values, A, UPLO: str, lost: int) -> None:
    """Raise what PyTorch's `eigh` does for nan in matrices of three rows and more.

    Args:
        lost: by how much the code of the error is less than the number of rows.
    """
    if A.shape[-1] > 2 and not seems_finite(values):
        text = (
            "The algorithm failed to converge because the input matrix is ill-conditioned or has "
            f"too many repeated eigenvalues (error code: {A.shape[-1] - lost})."
        )
        refuse_nan("linalg.eigh", A, text, triangle=UPLO)
