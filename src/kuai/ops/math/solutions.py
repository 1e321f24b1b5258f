"""What follows from factorizations of matrices: solutions, inverses, determinants, ranks, powers.

Batches of matrices are in the last two dimensions. A singular matrix is refused where its numbers
are known anyway; inside a program, which cannot raise, the result is inf or nan (`matrix_checks`).
"""

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.autocast import in_lower_precision
from kuai.engine.op.exact_out import SAME, castable
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops import return_types
from kuai.ops.accumulation import in_wide
from kuai.ops.elementwise import (
    BOOL,
    COMPLEX,
    FLOATING,
    cast,
    kind_of,
    refuse,
    warn_of_imaginary_parts,
)
from kuai.ops.known_values import known
from kuai.ops.math.matrix_checks import (
    EIGH,
    SINGULAR,
    UNSOLVABLE,
    check_eigenvalues,
    check_singular_values,
    check_square,
    float_or_double,
    matrices,
    refuse_infos,
    refuse_nan,
    seems_fine,
    seems_finite,
)
from kuai.ops.math.matrix_factors import (
    all_nan,
    as_columns,
    check_fit,
    check_system,
    factored,
    one_triangle,
    transposed,
)
from kuai.ops.math.singular_values import singular_values, without_infinity

return_types.return_type("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
return_types.return_type("linalg_slogdet", "sign", "logabsdet")
return_types.return_type("slogdet", "sign", "logabsdet")


# Solutions and inverses ---------------------------------------------------------------------------


@op(function=False, method=False, name="linalg.inv", grad="LinalgInvExBackward0")
def inverse_of(A: Array, name: str):
    """The inverse, whatever the numbers are."""
    return jnp.linalg.inv(all_nan(matrices(name, A)))


@composite(export="linalg.inv", autocast={"cpu": "float32"}, exact_out=SAME)
def inv(A):
    """The inverse of square matrices.

    Example:
        >>> kuai.linalg.inv(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])

    Raises:
        LinAlgError: the matrix is singular.
    """
    return checked_inverse(A, "linalg.inv")


def checked_inverse(A, name: str, about_shapes: str = "linalg.inv"):
    """The inverse, for a function whose errors begin with a name."""
    inverse = inverse_of(A, about_shapes)
    if not seems_fine(inverse, A):
        refuse_infos(name, factored(A.detach(), True, "linalg.inv")[2], SINGULAR)
    return inverse


@composite
def inverse(input):
    """The inverse of square matrices.

    Example:
        >>> kuai.inverse(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return inv(input)


@op(function=False, method=False, name="linalg.solve", grad="LinalgSolveExBackward0")
def solution_of(A: Array, B: Array, left: bool):
    """The solution, whatever the numbers are."""
    check_system(A, B)
    columns, is_vector = as_columns(A, B)
    check_fit("linalg.solve", A, columns, left)
    A = all_nan(A)
    if not left:
        return transposed(jnp.linalg.solve(transposed(A), transposed(B)))
    X = jnp.linalg.solve(A, columns)
    return X[..., 0] if is_vector else X


@composite(export="linalg.solve", autocast={"cpu": "float32"}, exact_out=SAME)
def solve(A, B, *, left=True):
    """The X with `A X = B` (or `X A = B` if not `left`); B may be a vector.

    Example:
        >>> kuai.linalg.solve(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]), kuai.tensor([2.0, 4.0]))
        tensor([1., 1.])

    Raises:
        LinAlgError: the matrix is singular.
    """
    solution = solution_of(A, B, left)
    if not seems_fine(solution, A):
        info = factored(A.detach(), True, "linalg.solve")[2]
        refuse_infos("torch.linalg.solve", info, UNSOLVABLE)
    return solution


@op(
    export="linalg.solve_triangular",
    grad="LinalgSolveTriangularBackward0",
    exact_out="expected scalar type {wanted} but found {found}",
)
def solve_triangular(
    A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False
):
    """The X with `A X = B` for a triangular A.

    Example:
        >>> kuai.linalg.solve_triangular(kuai.eye(2), kuai.ones(2, 1), upper=True)
        tensor([[1.],
                [1.]])
    """
    name = "linalg.solve_triangular"
    if kind_of(A) < FLOATING or A.dtype.itemsize == 2:
        raise NotImplementedError(
            f"\"triangular_solve_cpu\" not implemented for '{scalar_name(A.dtype)}'"
        )
    check_square(name, B, "B", False)
    check_fit(name, matrices(name, A), B, left)
    warn_of_imaginary_parts(B.dtype, A.dtype)
    B = cast(B, A.dtype)
    batch = jnp.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = (jnp.broadcast_to(each, (*batch, *each.shape[-2:])) for each in (A, B))
    return lax.linalg.triangular_solve(
        A, B, left_side=left, lower=not upper, unit_diagonal=unitriangular
    )


@op(function=False, method=False, name="linalg.pinv", grad="LinalgPinvBackward0")
def _pseudo_inverse(
    A: Array, atol: Array | Number | None, rtol: Array | Number | None, hermitian: bool
):
    if A.ndim < 2 or kind_of(A) < FLOATING or A.dtype.itemsize == 2:
        raise RuntimeError(
            f"linalg.pinv({scalar_name(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or "
            "more dimensions of float, double, cfloat or cdouble types"
        )
    A = _sides("linalg.pinv", A, hermitian)
    values = lax.stop_gradient(singular_values(A))
    limit = _smallest(A, values, atol, rtol)
    largest = jnp.max(values, -1, initial=0)
    relative = limit / jnp.where(largest == 0, 1, largest)
    A = A if hermitian else without_infinity(A)
    return jnp.linalg.pinv(A, rtol=relative, hermitian=hermitian)


def _sides(name, A, hermitian):
    """The matrices, of Hermitian ones those that the lower triangles stand for."""
    if not hermitian:
        return matrices(name, A, square=False, kernel="linalg_svd_cpu")
    return one_triangle(matrices("linalg.eigh", A, kernel=EIGH, looks=False), "L")


def _check_result(A, hermitian: bool, result, lost: int = 1) -> None:
    """Raise what PyTorch does for nan in the matrices that a result comes from."""
    if hermitian:
        check_eigenvalues(result, A, "L", lost)
    else:
        check_singular_values(A, result)


@composite(export="linalg.pinv", exact_out=castable("linalg.pinv"))
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
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
    rtol = rcond if rtol is None else rtol
    result = _pseudo_inverse(A, atol, rtol, hermitian)
    _check_result(A, hermitian, result)
    return in_lower_precision(result, ("cpu",))


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
    float_or_double(A)
    if vectors := _are_vectors(A, B):
        B = B[..., None]
    if A.dtype != B.dtype:
        raise RuntimeError(
            "torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's "
            f"dtype {scalar_name(A.dtype)} and other's dtype {scalar_name(B.dtype)}"
        )
    _check_sides(A, B, vectors)
    solution, residuals, rank, values = _smallest_squares(A, B, rcond, driver)
    return solution[..., 0] if vectors else solution, residuals, rank, values


def _are_vectors(A, B) -> bool:
    """Whether the right sides are vectors: one, or one for each matrix."""
    return B.shape == A.shape[:-1] or (A.ndim == 2 and B.ndim == 1)


def _check_sides(A, B, vectors) -> None:
    """PyTorch's complaints about matrices and right sides that do not belong together."""
    name = "torch.linalg.lstsq"
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - "
            "other.dim()) <= 1"
        )
    if A.shape[-2] != B.shape[-2]:
        last = -1 if vectors else -2
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({last})")
    if A.ndim > B.ndim:
        raise RuntimeError(
            f"The size of tensor a ({A.shape[-3]}) must match the size of tensor b "
            f"({B.shape[-2]}) at non-singleton dimension {A.ndim - 3}"
        )


def _smallest_squares(A, B, rcond, driver):
    rows, columns = A.shape[-2:]
    kind = jnp.finfo(A.dtype).dtype
    if not A.size:
        empty = jnp.zeros((*A.shape[:-2], 0), kind)
        rank = jnp.zeros(A.shape[:-2], jnp.int64)
        return jnp.zeros((*A.shape[:-2], columns, B.shape[-1]), A.dtype), empty, rank, empty
    rcond = max(rows, columns) * float(jnp.finfo(kind).eps) if rcond is None else rcond
    A = without_infinity(A)
    solution = jnp.linalg.pinv(A, rtol=None if driver == "gels" else rcond) @ B
    residuals = jnp.sum(jnp.square(jnp.abs(A @ solution - B)), -2, dtype=kind)
    values = singular_values(lax.stop_gradient(A))
    rank = jnp.sum(values > rcond * values[..., :1], -1, dtype=jnp.int64)
    return solution, residuals, rank, values


@composite(export="linalg.lstsq", autocast={"cpu": "float32"})
def lstsq(A, B, rcond=None, *, driver=None) -> return_types.linalg_lstsq:
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
    if len(A.shape) < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    solution, residuals, rank, values = least_squares(A, B, rcond, driver)
    if not seems_finite(values):
        place = 5 if driver == "gels" else 4
        text = f"Argument {place} has illegal value: the input matrix contained NaN."
        refuse_nan("torch.linalg.lstsq", A, text, RuntimeError)
    rows, columns = A.shape[-2:]
    ranks = known(rank)
    full = rows > columns and (ranks is None or bool((ranks == columns).all()))
    nothing = values.new_empty(0)
    return return_types.linalg_lstsq(
        solution,
        residuals if full and driver != "gelsy" else nothing,
        rank if driver != "gels" else rank.new_empty(0),
        values.detach() if driver in ("gelsd", "gelss") else nothing,
    )


# Determinants and ranks ---------------------------------------------------------------------------


@op(grad="LinalgDetBackward0", aliases=("linalg.det",), exact_out=SAME)
def det(A: Array):
    """The determinant of square matrices.

    Example:
        >>> kuai.det(kuai.tensor([[2.0, 1.0], [0.0, 3.0]]))
        tensor(6.)
    """
    matrices("linalg.det", A, kernel="lu_cpu")
    return jnp.linalg.det(A) if A.size else jnp.ones(A.shape[:-2], A.dtype)


def _signed_log(A, name="linalg.slogdet"):
    """The sign, 0 where nan is on the diagonal of U, and the logarithm."""
    sign, logarithm = jnp.linalg.slogdet(all_nan(matrices(name, A)))
    if kind_of(A) == COMPLEX:
        return sign, logarithm
    return jnp.where(jnp.isnan(logarithm), 0, sign), logarithm


@op(
    result=return_types.slogdet,
    grad="LinalgSlogdetBackward0",
    exact_out=SAME,
    out_name="_linalg_slogdet",
)
def slogdet(input: Array):
    """The sign of the determinant and the logarithm of its absolute value.

    Example:
        >>> kuai.slogdet(kuai.tensor([[2.0, 0.0], [0.0, -3.0]]))
        torch.return_types.slogdet(
        sign=tensor(-1.),
        logabsdet=tensor(1.7918))
    """
    return _signed_log(input)


@composite(export="linalg.slogdet", exact_out=SAME, out_name="_linalg_slogdet")
def linalg_slogdet(A) -> return_types.linalg_slogdet:
    """The sign of the determinant and the logarithm of its absolute value.

    Example:
        >>> kuai.linalg.slogdet(kuai.tensor([[2.0, 0.0], [0.0, -3.0]])).sign
        tensor(-1.)
    """
    return return_types.linalg_slogdet(*slogdet(A))


@op
def logdet(input: Array):
    """The logarithm of the determinant; NaN where that is negative.

    Example:
        >>> kuai.logdet(kuai.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor(1.7918)
    """
    sign, logarithm = _signed_log(input, "logdet")
    if sign.dtype.kind == "c":
        return logarithm + jnp.log(sign)
    return jnp.where(sign < 0, jnp.nan, logarithm)


@op(function=False, method=False, name="linalg.matrix_rank")
def _rank(
    A: Array,
    tol: Array | Number | None,
    atol: Array | Number | None,
    rtol: Array | Number | None,
    hermitian: bool,
):
    check_square("torch.linalg.matrix_rank", A, "input", False)
    if tol is None and (atol is None or rtol is None):
        float_or_double(A)
    A = _sides("linalg.svd", A, hermitian)
    values = singular_values(A)
    limit = _smallest(A, values, atol, rtol) if tol is None else jnp.asarray(tol, values.dtype)
    return jnp.sum(values > limit[..., None], -1, dtype=jnp.int64)


@composite(
    export="linalg.matrix_rank",
    autocast={"cpu": "float32"},
    exact_out=castable("torch.linalg.matrix_rank"),
)
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
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
    rank = _rank(A, tol, atol, rtol, hermitian)
    _check_result(A, hermitian, A, lost=2)
    return rank


def _precision_of_power(A, n):
    return "lower" if n > 1 else None  # a product, or what is given


@op(
    function=False,
    method=False,
    name="matrix_power",
    grad="MatrixPowerBackward0",
    autocast=_precision_of_power,
)
def _power(A: Array, n: int):
    check_square("linalg.matrix_power", A)
    if n:
        refuse("addmm_impl_cpu_", A, BOOL)
    return in_wide(lambda wide: jnp.linalg.matrix_power(wide, n), A)


@composite(aliases=("linalg.matrix_power",), exact_out=SAME)
def matrix_power(A, n):
    """The n-th power of square matrices; a negative one is that of the inverse.

    Example:
        >>> kuai.linalg.matrix_power(kuai.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
        tensor([[1., 3.],
                [0., 1.]])
    """
    if n >= 0:
        return _power(A, n)
    return _power(checked_inverse(A, "linalg.inv", "linalg.matrix_power"), -n)
