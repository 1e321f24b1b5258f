"""What is solved with triangular matrices and Cholesky factors."""

import functools

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import castable
from kuai.engine.tensor.dtypes import int64
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops import return_types
from kuai.ops.math.matrix_checks import SINGULAR, matrices, refuse_infos, seems_fine
from kuai.ops.math.matrix_factors import adjoint, check_rows, with_batch

return_types.return_type("triangular_solve", "solution", "cloned_coefficient")


@op(autocast={"cpu": "float32"}, exact_out=castable("cholesky_solve"))
def cholesky_solve(input: Array, input2: Array, upper: bool = False):
    """The X with `A X = input`, A = L Lᴴ being given by its triangular factor L, `input2`.

    Args:
        upper: A = Uᴴ U is given by U instead.

    Example:
        >>> kuai.cholesky_solve(kuai.ones(2, 1), kuai.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([[0.2500],
                [1.0000]])
    """
    B, L = input, input2
    for name, each in (("b", B), ("u", L)):
        if each.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {each.ndim} dimensions instead"
            )
    if L.shape[-1] != L.shape[-2]:
        raise RuntimeError(
            "A must be batches of square matrices, "
            f"but they are {L.shape[-2]} by {L.shape[-1]} matrices"
        )
    _check_same_dtype(B, L)
    matrices("cholesky_solve", L, kernel="cholesky_solve_cpu", looks=False)
    check_rows("cholesky_solve", L, B)
    L, B = with_batch(L, B)
    solve = functools.partial(lax.linalg.triangular_solve, L, left_side=True, lower=not upper)
    back = dict(transpose_a=True, conjugate_a=True)
    return solve(solve(B, **back)) if upper else solve(solve(B), **back)


def _check_same_dtype(B, A) -> None:
    if A.dtype != B.dtype:
        raise RuntimeError(
            "Expected b and A to have the same dtype, but found b of type "
            f"{scalar_name(B.dtype)} and A of type {scalar_name(A.dtype)} instead."
        )


_OLD = (
    "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangular"
    "and will be removed in a future PyTorch release.\n"
    "torch.linalg.solve_triangular has its arguments reversed and does not return a copy of one of "
    "the inputs.\nX = torch.triangular_solve(B, A).solution\nshould be replaced with\n"
    "X = torch.linalg.solve_triangular(A, B)."
)


@composite(autocast={"cpu": "float32"}, exact_out=castable("cholesky_inverse"))
def cholesky_inverse(input, upper=False):
    """The inverse of A = L Lᴴ (or Uᴴ U, if `upper`), A being given by its triangular factor.

    Example:
        >>> kuai.cholesky_inverse(kuai.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([[0.2500, 0.0000],
                [0.0000, 1.0000]])
    """
    inverse = _cholesky_inverse(input, upper)
    if not seems_fine(inverse, input):
        diagonal = input.detach().diagonal(dim1=-2, dim2=-1) == 0
        place = diagonal.to(int64).argmax(-1) + 1
        refuse_infos("cholesky_inverse", place * diagonal.any(-1), SINGULAR)
    return inverse


@op(function=False, method=False, name="cholesky_inverse", grad="CholeskyInverseBackward0")
def _cholesky_inverse(input: Array, upper: bool):
    L = matrices("cholesky_inverse", input, kernel="cholesky_inverse_out_cpu", looks=False)
    identity = jnp.broadcast_to(jnp.eye(L.shape[-1], dtype=L.dtype), L.shape)
    inverse = lax.linalg.triangular_solve(L, identity, left_side=True, lower=not upper)
    return inverse @ adjoint(inverse) if upper else adjoint(inverse) @ inverse


@op(function=False, method=False, name="triangular_solve", grad="TriangularSolveBackward0")
def triangular(A: Array, B: Array, upper: bool, transpose: bool, unitriangular: bool):
    """The X with `A X = B`, or Aᵀ in its place."""
    for name, each in (("b", B), ("A", A)):
        if each.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it "
                f"has {each.ndim} dimensions instead"
            )
    _check_same_dtype(B, A)
    A = matrices("triangular_solve", A, kernel="triangular_solve_cpu", looks=False)
    check_rows("triangular_solve", A, B)
    A, B = with_batch(A, B)
    return lax.linalg.triangular_solve(
        A, B, left_side=True, lower=not upper, transpose_a=transpose, unit_diagonal=unitriangular
    )


@composite(autocast={"cpu": "float32"})
def triangular_solve(
    b, A, upper=True, transpose=False, unitriangular=False
) -> return_types.triangular_solve:
    """The X with `A X = b` for a triangular A, and A; `linalg.solve_triangular` is newer.

    Example:
        >>> kuai.triangular_solve(kuai.ones(2, 1), kuai.eye(2)).solution
        tensor([[1.],
                [1.]])
    """
    warn_once(_OLD, stacklevel=2)
    return return_types.triangular_solve(
        triangular(A, b, upper, transpose, unitriangular), A.clone()
    )
