"""Functions that PyTorch has taken away, with what to use instead."""

import importlib
import warnings
from collections.abc import Callable

__all__ = ["eig", "lstsq", "matrix_rank", "solve", "symeig"]

_GONE = "This function was deprecated since version 1.9 and is now removed."
_TEXTS = {
    "eig": (
        " `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than "
        "real tensors mimicking complex tensors.\n\n"
        "L, _ = torch.eig(A) should be replaced with:\n"
        "L_complex = torch.linalg.eigvals(A)\n\nand\n\n"
        "L, V = torch.eig(A, eigenvectors=True) should be replaced with:\n"
        "L_complex, V_complex = torch.linalg.eig(A)"
    ),
    "lstsq": (
        " `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.\n"
        "`torch.linalg.lstsq` has reversed arguments and does not return the QR decomposition in "
        "the returned tuple (although it returns other information about the problem).\n\n"
        "To get the QR decomposition consider using `torch.linalg.qr`.\n\n"
        "The returned solution in `torch.lstsq` stored the residuals of the solution in the last "
        "m - n columns of the returned value whenever m > n. In torch.linalg.lstsq, the residuals "
        "are in the field 'residuals' of the returned named tuple.\n\n"
        "The unpacking of the solution, as in\n"
        "X, _ = torch.lstsq(B, A).solution[:A.size(1)]\n"
        "should be replaced with:\n"
        "X = torch.linalg.lstsq(A, B).solution"
    ),
    "matrix_rank": (
        "\nPlease use the `torch.linalg.matrix_rank` function instead. The parameter 'symmetric' "
        "was renamed in `torch.linalg.matrix_rank()` to 'hermitian'."
    ),
    "solve": (
        " `torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has "
        "its arguments reversed and does not return the LU factorization.\n\n"
        "To get the LU factorization see `torch.lu`, which can be used with `torch.lu_solve` or "
        "`torch.lu_unpack`.\n"
        "X = torch.solve(B, A).solution should be replaced with:\n"
        "X = torch.linalg.solve(A, B)"
    ),
    "symeig": (
        " The default behavior has changed from using the upper triangular portion of the matrix "
        "by default to using the lower triangular portion.\n\n"
        "L, _ = torch.symeig(A, upper=upper) should be replaced with:\n"
        "L = torch.linalg.eigvalsh(A, UPLO='U' if upper else 'L')\n\nand\n\n"
        "L, V = torch.symeig(A, eigenvectors=True) should be replaced with:\n"
        "L, V = torch.linalg.eigh(A, UPLO='U' if upper else 'L')"
    ),
}


def _gone(name: str, instead: str) -> Callable:
    def gone(*args, **kwargs):
        raise RuntimeError(_GONE + _TEXTS[name])

    gone.__name__ = gone.__qualname__ = name
    gone.__doc__ = f"""PyTorch's former `{name}`: `kuai.linalg.{instead}` stands for it.

    Raises:
        RuntimeError: always, as in PyTorch.
    """
    return gone


eig = _gone("eig", "eig")
lstsq = _gone("lstsq", "lstsq")
matrix_rank = _gone("matrix_rank", "matrix_rank")
solve = _gone("solve", "solve")
symeig = _gone("symeig", "eigh")


def set_vital() -> Callable:
    """PyTorch's function that does nothing; whoever asks for it is told."""
    warnings.warn("'set_vital' is deprecated, please do not call", stacklevel=3)
    return lambda *arguments: None


#: What old programs ask `torch` itself, and where the answer stands now.
_ASKED = {"has_cuda": "backends.cuda.is_built", "has_mps": "backends.mps.is_built"}
_ASKED["has_cudnn"] = "backends.cudnn.is_available"


def answer(name: str) -> bool:
    """`has_cuda`, `has_cudnn`, `has_mps`; whoever asks is told whom to ask."""
    place = _ASKED[name]
    warnings.warn(f"'{name}' is deprecated, please use 'torch.{place}()'", stacklevel=3)
    path, _, function = place.rpartition(".")
    return getattr(importlib.import_module(f"kuai.{path}"), function)()
