"""The older names of factorizations, outside `kuai.linalg`, with their own argument order."""

from kuai.engine.op import REGISTRY, composite
from kuai.ops import factorization
from kuai.ops.factorization import QrResult, SvdResult, det, matrix_power, slogdet
from kuai.ops.products import matmul
from kuai.ops.return_types import return_type

_Slogdet = return_type("linalg_slogdet", "sign", "logabsdet")


@composite
def cholesky(input, upper=False):
    """The triangular factor of `linalg.cholesky`.

    Example:
        >>> kuai.cholesky(kuai.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    return factorization.cholesky(input, upper=upper)


@composite
def qr(input, some=True) -> QrResult:
    """The factors of `linalg.qr`.

    Example:
        >>> kuai.qr(kuai.ones(3, 2)).R.shape
        torch.Size([2, 2])
    """
    return QrResult(*factorization.qr(input, "reduced" if some else "complete"))


@composite
def svd(input, some=True, compute_uv=True) -> SvdResult:
    """The factors of `linalg.svd`, with V instead of Vᴴ.

    Example:
        >>> kuai.svd(kuai.tensor([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])
    """
    U, S, Vh = factorization.svd(input, not some)
    return SvdResult(U, S, Vh.mH)


def linalg_slogdet(A) -> _Slogdet:
    """The sign of the determinant and the logarithm of its absolute value.

    Example:
        >>> kuai.linalg.slogdet(kuai.tensor([[2.0, 0.0], [0.0, -3.0]])).sign
        tensor(-1.)
    """
    return _Slogdet(*slogdet(A))


REGISTRY.export(
    matrix_power, ("matrix_power",), function=True, is_method=True, functional=False, module=None
)
REGISTRY.modules["linalg"].update(det=det, slogdet=linalg_slogdet, matmul=matmul)
