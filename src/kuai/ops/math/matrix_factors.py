"""LU factors of matrices, what is solved with them, and operations that tell of failures.

A = P L U with a permutation P, a lower triangular L with ones on its diagonal and an upper
triangular U. L and U are kept in one matrix; `pivots[i]` is the row (from 1) that row i was
exchanged with.

Reference: G. H. Golub and C. F. Van Loan, Matrix Computations, 3.4.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops import outdated, return_types
from kuai.ops.elementwise import FLOATING, kind_of
from kuai.ops.math.matrix_checks import (
    INDEFINITE,
    SINGULAR,
    UNSOLVABLE,
    check_square,
    matrices,
    numbers_of,
    refuse_infos,
    same_dtype,
)

return_types.return_type("linalg_lu", "P", "L", "U")
return_types.return_type("linalg_lu_factor", "LU", "pivots")
return_types.return_type("linalg_lu_factor_ex", "LU", "pivots", "info")
return_types.return_type("lu_unpack", "P", "L", "U")
return_types.return_type("linalg_inv_ex", "inverse", "info")
return_types.return_type("linalg_solve_ex", "result", "info")
return_types.return_type("linalg_cholesky_ex", "L", "info")


def transposed(A):
    """The last two dimensions exchanged."""
    return jnp.swapaxes(A, -1, -2)


def adjoint(A):
    """The conjugate transpose."""
    return jnp.conj(transposed(A))


def one_triangle(A, UPLO: str):
    """The Hermitian matrix one triangle stands for; as in PyTorch both share the gradient."""
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return _of_lower(A) if UPLO in "Ll" else _of_upper(A)


def _hermitian(half, A):
    """From a triangle and the diagonal; whatever stands in the other one is not looked at."""
    on_diagonal = jnp.eye(A.shape[-1], dtype=bool)
    return half + adjoint(half) + jnp.where(on_diagonal, A, 0)


def _shared(primals, tangents, of):
    (A,), (dA,) = primals, tangents
    return of(A), (dA + adjoint(dA)) / 2


@jax.custom_jvp
def _of_lower(A):
    return _hermitian(jnp.tril(A, -1), A)


@jax.custom_jvp
def _of_upper(A):
    return _hermitian(jnp.triu(A, 1), A)


_of_lower.defjvp(functools.partial(_shared, of=_of_lower))
_of_upper.defjvp(functools.partial(_shared, of=_of_upper))


def all_nan(A):
    """A, with nan all over every matrix that holds one: whatever is solved with it is nan."""
    return jnp.where(jnp.isnan(A).any((-2, -1), keepdims=True), jnp.nan, A)


def _first_zero(diagonal):
    """The number, from 1, of the first zero on a diagonal; 0 if there is none."""
    is_zero = diagonal == 0
    first = jnp.argmax(is_zero, -1) + 1 if diagonal.shape[-1] else jnp.zeros(is_zero.shape[:-1])
    return jnp.where(jnp.any(is_zero, -1), first, 0).astype(jnp.int32)


# LU -----------------------------------------------------------------------------------------------


def _lu(name, A, pivot):
    if A.ndim < 2:
        asked = name.replace("linalg.lu_factor", "torch.lu_factor")
        raise RuntimeError(
            f"{asked}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead"
        )
    if kind_of(A) < FLOATING or A.dtype.itemsize == 2:
        raise NotImplementedError(f"\"lu_cpu\" not implemented for '{scalar_name(A.dtype)}'")
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    if 0 in A.shape[-2:]:
        rows, ranks = A.shape[:-1], (*A.shape[:-2], min(A.shape[-2:]))
        order = jnp.broadcast_to(jnp.arange(A.shape[-2], dtype=jnp.int32), rows)
        return A, jnp.zeros(ranks, jnp.int32), order
    compact, pivots, order = lax.linalg.lu(A)
    return _after_nan(compact), pivots, order


def _after_nan(compact):
    """L and U, with nan for all that a pivot that is nan divides and changes: LAPACK skips it."""
    lost = jnp.cumsum(jnp.isnan(jnp.diagonal(compact, axis1=-2, axis2=-1)), axis=-1) > 0
    rows, columns = np.indices(compact.shape[-2:])
    before = np.minimum(rows - 1, columns)
    return jnp.where((before >= 0) & lost[..., np.maximum(before, 0)], jnp.nan, compact)


@op(function=False, method=False, name="linalg_lu_factor_ex", grad="LinalgLuFactorExBackward0")
def factored(A: Array, pivot: bool, name: str):
    """L and U in one matrix, the pivots from 1, and the number of the first zero of U."""
    compact, pivots, _ = _lu(name, A, pivot)
    info = _first_zero(jnp.diagonal(lax.stop_gradient(compact), axis1=-2, axis2=-1))
    return compact, pivots + 1, info


@composite(export="linalg.lu_factor_ex", exact_out=SAME, out_name="linalg_lu_factor_ex")
def lu_factor_ex(A, *, pivot=True, check_errors=False) -> return_types.linalg_lu_factor_ex:
    """`lu_factor`, and for each matrix the number of U's first zero, or 0 if there is none.

    Example:
        >>> kuai.linalg.lu_factor_ex(kuai.tensor([[2.0, 1.0], [4.0, 2.0]])).info
        tensor(2, dtype=torch.int32)
    """
    LU, pivots, info = factored(A, pivot, "linalg.lu_factor")
    if check_errors:
        _refuse_zero("torch.linalg.lu_factor_ex", info)
    return return_types.linalg_lu_factor_ex(LU, pivots, info)


def _refuse_zero(name, info):
    text = (
        "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you "
        "still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
        "linalg.lu_factor_ex(A, pivot)"
    )
    refuse_infos(name, info, text, RuntimeError)


@composite(export="linalg.lu_factor", exact_out=SAME, out_name="linalg_lu_factor_ex")
def lu_factor(A, *, pivot=True) -> return_types.linalg_lu_factor:
    """L and U of `A = P L U` in one matrix, and the pivots that P stands for.

    Example:
        >>> LU, pivots = kuai.linalg.lu_factor(kuai.tensor([[2.0, 1.0], [4.0, 3.0]]))
        >>> LU, pivots
        (tensor([[ 4.0000,  3.0000],
                [ 0.5000, -0.5000]]), tensor([2, 2], dtype=torch.int32))
    """
    LU, pivots, info = factored(A, pivot, "linalg.lu_factor")
    _refuse_zero("torch.linalg.lu_factor", info)
    return return_types.linalg_lu_factor(LU, pivots)


def _unpacked(compact):
    """L with its ones and U."""
    rank = min(compact.shape[-2:])
    lower = jnp.tril(compact[..., :rank], -1) + jnp.eye(
        compact.shape[-2], rank, dtype=compact.dtype
    )
    return lower, jnp.triu(compact[..., :rank, :])


def _permutation_matrix(order, kind):
    """The P whose product with L U has the rows of A in their own order."""
    return transposed(jax.nn.one_hot(order, order.shape[-1], dtype=kind))


@op(
    export="linalg.lu",
    result=return_types.linalg_lu,
    grad="LinalgLuBackward0",
    exact_out=SAME,
    out_name="linalg_lu",
)
def linalg_lu(A: Array, *, pivot: bool = True):
    """The permutation P, the lower L and the upper triangular U with `A = P L U`.

    Example:
        >>> kuai.linalg.lu(kuai.tensor([[2.0, 1.0], [4.0, 3.0]])).U
        tensor([[ 4.0000,  3.0000],
                [ 0.0000, -0.5000]])
    """
    compact, _, order = _lu("linalg.lu", A, pivot)
    return _permutation_matrix(order, A.dtype), *_unpacked(compact)


@op(result=return_types.lu_unpack, method=False, exact_out=SAME)
def lu_unpack(
    LU_data: Array, LU_pivots: Array, unpack_data: bool = True, unpack_pivots: bool = True
):
    """P, L and U of what `linalg.lu_factor` gives; empty tensors for what is not asked for.

    Example:
        >>> LU = kuai.linalg.lu_factor(kuai.tensor([[2.0, 1.0], [4.0, 3.0]]))
        >>> kuai.lu_unpack(*LU).L
        tensor([[1.0000, 0.0000],
                [0.5000, 1.0000]])
    """
    if LU_pivots.dtype != jnp.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            "dtype.\nNote: this function is intended to be used with the output produced by "
            "torch.linalg.lu_factor"
        )
    nothing = jnp.zeros(0, LU_data.dtype)
    lower, upper = _unpacked(LU_data) if unpack_data else (nothing, nothing)
    if not unpack_pivots:
        return nothing, lower, upper
    return _permutation_matrix(_order(LU_pivots, LU_data.shape[-2]), LU_data.dtype), lower, upper


def _order(pivots, rows):
    """The row of A that each row of L U is."""
    if not pivots.shape[-1]:
        return jnp.broadcast_to(jnp.arange(rows), (*pivots.shape[:-1], rows))
    return lax.linalg.lu_pivots_to_permutation(pivots - 1, rows)


def with_batch(*arrays):
    """Matrices with the same dimensions in front."""
    batch = jnp.broadcast_shapes(*(array.shape[:-2] for array in arrays))
    return [jnp.broadcast_to(array, (*batch, *array.shape[-2:])) for array in arrays]


def _solved(compact, pivots, B, left, conjugated):
    """X of A X = B, or of Aᴴ X = B; transposed on both sides, if X is on the left of A."""
    if not left:
        return adjoint(_solved(compact, pivots, adjoint(B), True, not conjugated))
    P = _permutation_matrix(_order(pivots, compact.shape[-2]), compact.dtype)
    compact, P, B = with_batch(compact, P, B)
    triangular = functools.partial(lax.linalg.triangular_solve, left_side=True)
    one, other = dict(lower=True, unit_diagonal=True), dict(lower=False)
    if not conjugated:
        return triangular(compact, triangular(compact, transposed(P) @ B, **one), **other)
    back = dict(transpose_a=True, conjugate_a=True)
    return P @ triangular(compact, triangular(compact, B, **other, **back), **one, **back)


@op(export="linalg.lu_solve", grad="LinalgLuSolveBackward0", name="linalg.lu_solve")
def linalg_lu_solve(
    LU: Array, pivots: Array, B: Array, *, left: bool = True, adjoint: bool = False
):
    """The X with `A X = B` for a matrix factored by `linalg.lu_factor`.

    Args:
        left: False for `X A = B`.
        adjoint: True for Aᴴ instead of A.

    Example:
        >>> LU = kuai.linalg.lu_factor(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        >>> kuai.linalg.lu_solve(*LU, kuai.ones(2, 1))
        tensor([[0.5000],
                [0.2500]])
    """
    numbers_of("torch.linalg.lu_solve", LU)
    same_dtype("linalg.lu_solve", LU=LU, B=B)
    check_square("torch.linalg.lu_solve", LU, "LU")
    check_square("torch.linalg.lu_solve", B, "B", False)
    check_fit("linalg.lu_solve", LU, B, left)
    if pivots.dtype != jnp.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    matrices("linalg.lu_solve", LU, kernel="linalg.lu_solve_cpu")
    return _solved(LU, pivots, B, left, adjoint)


def check_system(A, B):
    """What `linalg.solve` refuses before it looks at sizes."""
    matrices("linalg.solve", A, low_precision=True)
    same_dtype("linalg.solve", A=A, B=B)
    matrices("linalg.solve", A, kernel="lu_cpu")


def as_columns(A, B):
    """The right side of `linalg.solve` as a matrix, and whether it is vectors."""
    if not B.ndim:
        raise RuntimeError("linalg.solve: The input tensor B must have at least 2 dimensions.")
    is_vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    return (B[..., None] if is_vector else B), is_vector


def check_fit(name, A, B, left):
    """Refuse a right side of another size."""
    if (B.shape[-2] if left else B.shape[-1]) != A.shape[-1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )


def check_rows(name, A, B):
    """Refuse a right side of another number of rows."""
    if B.shape[-2] != A.shape[-1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {A.shape[-2]} by "
            f"{A.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )


@composite(autocast={"cpu": "float32"})
def lu_solve(input, LU_data, LU_pivots):
    """`linalg.lu_solve` with the right side first.

    Example:
        >>> LU, pivots = kuai.linalg.lu_factor(kuai.tensor([[2.0, 0.0], [0.0, 4.0]]))
        >>> kuai.lu_solve(kuai.ones(2, 1), LU, pivots)
        tensor([[0.5000],
                [0.2500]])
    """
    outdated.tell("lu_solve")
    return linalg_lu_solve(LU_data, LU_pivots, input)


@composite(export="lu")
def lu(A, pivot=True, get_infos=False, out=None):
    """`linalg.lu_factor`, or with `get_infos` `linalg.lu_factor_ex`.

    Example:
        >>> LU, pivots = kuai.lu(kuai.tensor([[2.0, 1.0], [4.0, 3.0]]))
        >>> pivots
        tensor([2, 2], dtype=torch.int32)
    """
    outdated.tell("lu")
    return _lu_results(A, pivot, get_infos, out)


def _lu_results(A, pivot, get_infos, out=None):
    LU, pivots, info = factored(A, pivot, "linalg.lu_factor")
    results = (LU, pivots, info) if get_infos else (LU, pivots)
    if out is None:
        return results
    return tuple(place.resize_(r.shape).copy_(r) for place, r in zip(out, results, strict=True))


@composite(export="Tensor.lu")
def lu_of(self, pivot=True, get_infos=False):
    """`kuai.lu` of this tensor.

    Example:
        >>> kuai.tensor([[2.0, 1.0], [4.0, 3.0]]).lu()[1]
        tensor([2, 2], dtype=torch.int32)
    """
    outdated.tell("lu")
    return _lu_results(self, pivot, get_infos)


# Factors that tell of failures --------------------------------------------------------------------


@op(function=False, method=False, name="linalg_inv_ex", grad="LinalgInvExBackward0")
def inverse_and_info(A: Array):
    """The inverse, and the number of the first zero pivot."""
    compact, _, _ = _lu("linalg.inv", lax.stop_gradient(matrices("linalg.inv", A)), True)
    return jnp.linalg.inv(all_nan(A)), _first_zero(jnp.diagonal(compact, axis1=-2, axis2=-1))


@composite(
    export="linalg.inv_ex", autocast={"cpu": "float32"}, exact_out=SAME, out_name="linalg_inv_ex"
)
def inv_ex(A, *, check_errors=False) -> return_types.linalg_inv_ex:
    """`linalg.inv`, and for each matrix 0 or the number of the first pivot that is zero.

    Example:
        >>> kuai.linalg.inv_ex(kuai.tensor([[1.0, 0.0], [0.0, 0.0]])).info
        tensor(2, dtype=torch.int32)
    """
    inverse, info = inverse_and_info(A)
    if check_errors:
        refuse_infos("linalg.inv_ex", info, SINGULAR)
    return return_types.linalg_inv_ex(inverse, info)


@op(function=False, method=False, name="linalg_solve_ex", grad="LinalgSolveExBackward0")
def solution_and_info(A: Array, B: Array, left: bool):
    """The solution, and the number of the first zero pivot."""
    check_system(A, B)
    compact, _, _ = _lu("linalg.solve", lax.stop_gradient(A), True)
    info, A = _first_zero(jnp.diagonal(compact, axis1=-2, axis2=-1)), all_nan(A)
    columns, is_vector = as_columns(A, B)
    check_fit("linalg.solve", A, columns, left)
    if left:
        solution = jnp.linalg.solve(A, columns)
        return solution[..., 0] if is_vector else solution, info
    return transposed(jnp.linalg.solve(transposed(A), transposed(B))), info


@composite(export="linalg.solve_ex", exact_out=SAME, out_name="_linalg_solve_ex")
def solve_ex(A, B, *, left=True, check_errors=False) -> return_types.linalg_solve_ex:
    """`linalg.solve`, and for each matrix 0 or the number of the first pivot that is zero.

    Example:
        >>> kuai.linalg.solve_ex(kuai.eye(2), kuai.ones(2)).info
        tensor(0, dtype=torch.int32)
    """
    result, info = solution_and_info(A, B, left)
    if check_errors:
        refuse_infos("torch.linalg.solve_ex", info, UNSOLVABLE)
    return return_types.linalg_solve_ex(result, info)


def _part_of_cholesky(A):
    """As many columns of the lower factor as there are, in the lower half of A, and up to where.

    Gives the half and the order of the first leading minor that is not positive, or 0. In its place
    stands what is left of A there; the columns behind it are those of A.
    """
    if not A.size:
        return A, jnp.zeros(A.shape[:-2], jnp.int32)
    order = jnp.arange(A.shape[-1])

    def step(k, state):
        part, rest, info = state
        column = jnp.take(rest, k, -1)
        pivot = jnp.take(column, k, -1).real
        positive = pivot > 0
        root = jnp.sqrt(jnp.where(positive, pivot, 1))[..., None]
        made = jnp.where((order == k) & ~positive[..., None], column, column / root)
        going = (info == 0)[..., None] & ((order == k) | positive[..., None])
        part = jnp.where((order == k) & going[..., None], made[..., None], part)
        info = jnp.where((info == 0) & ~positive, k + 1, info)
        scaled = column / root
        outer = scaled[..., :, None] * jnp.conj(scaled[..., None, :])
        return part, rest - outer.astype(rest.dtype), info

    start = (A, A, jnp.zeros(A.shape[:-2], jnp.int32))
    part, _, info = lax.fori_loop(0, A.shape[-1], step, start)
    return jnp.tril(part), info.astype(jnp.int32)


@op(function=False, method=False, name="linalg_cholesky_ex", grad="LinalgCholeskyExBackward0")
def cholesky_and_info(A: Array, upper: bool):
    """The triangular factor, and the order of the first minor that is not positive."""
    matrices("linalg.cholesky", A, kernel="cholesky_cpu")
    A = one_triangle(A, "U" if upper else "L")
    part, info = _part_of_cholesky(lax.stop_gradient(A))
    L = jnp.where((info > 0)[..., None, None], part, jnp.linalg.cholesky(A, symmetrize_input=False))
    return (adjoint(L) if upper else L), info


@composite(
    export="linalg.cholesky_ex",
    autocast={"cpu": "float32"},
    exact_out=SAME,
    out_name="linalg_cholesky_ex",
)
def cholesky_ex(A, *, upper=False, check_errors=False) -> return_types.linalg_cholesky_ex:
    """`linalg.cholesky`, and for each matrix 0 or the order of the first minor not positive.

    Example:
        >>> kuai.linalg.cholesky_ex(kuai.tensor([[1.0, 0.0], [0.0, -1.0]])).info
        tensor(2, dtype=torch.int32)

    The factor of a matrix that is not positive-definite is begun, up to that minor.
    """
    L, info = cholesky_and_info(A, upper)
    if check_errors:
        refuse_infos("linalg.cholesky_ex", info, INDEFINITE)
    return return_types.linalg_cholesky_ex(L, info)
