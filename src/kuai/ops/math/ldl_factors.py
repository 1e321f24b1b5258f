"""LDLᴴ factors of symmetric and Hermitian matrices, and what is solved with them.

LAPACK computes them on the host, for neither JAX nor XLA has them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops import return_types
from kuai.ops.math.matrix_checks import matrices, refuse_infos
from kuai.ops.math.matrix_factors import check_rows, with_batch

return_types.return_type("linalg_ldl_factor", "LD", "pivots")
return_types.return_type("linalg_ldl_factor_ex", "LD", "pivots", "info")

_PREFIX = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


def _lapack(name, kind, hermitian):
    from scipy.linalg import lapack  # a sixth of a second, which only these functions need

    stem = "he" if hermitian and kind.kind == "c" else "sy"
    return getattr(lapack, f"{_PREFIX[kind.name]}{stem}{name}")


def _ldl_on_host(A, hermitian):
    """LAPACK's Bunch-Kaufman factors of every matrix; neither XLA nor JAX has them."""
    routine = _lapack("trf", A.dtype, hermitian)
    if not A.size:
        return A, np.zeros(A.shape[:-1], np.int32), np.zeros(A.shape[:-2], np.int32)
    flat = A.reshape(-1, *A.shape[-2:])
    factors, pivots = np.array(flat), np.zeros(flat.shape[:-1], np.int32)
    infos = np.zeros(flat.shape[:1], np.int32)
    for number, matrix in enumerate(flat):
        factors[number], pivots[number], infos[number] = routine(matrix, lower=1)
    factors = np.tril(factors).reshape(A.shape)
    return factors, pivots.reshape(A.shape[:-1]), infos.reshape(A.shape[:-2])


@op(function=False, method=False, name="linalg_ldl_factor_ex")
def ldl(A: Array, hermitian: bool):
    """The factors, pivots and infos."""
    A = lax.stop_gradient(matrices("torch.linalg.ldl_factor_ex", A, kernel="ldl_factor_kernel_cpu"))
    shapes = (
        jax.ShapeDtypeStruct(A.shape, A.dtype),
        jax.ShapeDtypeStruct(A.shape[:-1], jnp.int32),
        jax.ShapeDtypeStruct(A.shape[:-2], jnp.int32),
    )
    on_host = functools.partial(_ldl_on_host, hermitian=hermitian)
    return jax.pure_callback(
        lambda a: on_host(np.asarray(a)), shapes, A, vmap_method="broadcast_all"
    )


@composite(export="linalg.ldl_factor_ex", exact_out=SAME, out_name="linalg_ldl_factor_ex")
def ldl_factor_ex(A, *, hermitian=False, check_errors=False) -> return_types.linalg_ldl_factor_ex:
    """`ldl_factor`, and for each matrix 0 or the number of the first zero of D.

    Example:
        >>> kuai.linalg.ldl_factor_ex(kuai.eye(2)).info
        tensor(0, dtype=torch.int32)
    """
    LD, pivots, info = ldl(A.detach(), hermitian)
    if check_errors:
        _refuse_zero_d("torch.linalg.ldl_factor_ex", info)
    return return_types.linalg_ldl_factor_ex(LD, pivots, info)


def _refuse_zero_d(name, info):
    refuse_infos(name, info, "The diagonal element {} of D is zero.", RuntimeError)


@composite(export="linalg.ldl_factor", exact_out=SAME, out_name="linalg_ldl_factor_ex")
def ldl_factor(A, *, hermitian=False) -> return_types.linalg_ldl_factor:
    """L and D of `A = L D Lᵀ` in one matrix, and the pivots, for a symmetric A; no derivative.

    D has blocks of one or two rows; two equal negative pivots mark one of two rows.

    Args:
        hermitian: A = L D Lᴴ for a Hermitian A.

    Example:
        >>> kuai.linalg.ldl_factor(kuai.tensor([[4.0, 2.0], [2.0, 2.0]])).LD
        tensor([[4.0000, 0.0000],
                [0.5000, 1.0000]])

    Reference: J. R. Bunch and L. Kaufman, Some stable methods for calculating inertia and solving
    symmetric linear systems, Mathematics of Computation 31, 1977.
    """
    LD, pivots, info = ldl(A.detach(), hermitian)
    _refuse_zero_d("torch.linalg.ldl_factor", info)
    return return_types.linalg_ldl_factor(LD, pivots)


def _ldl_solved_on_host(LD, pivots, B, hermitian):
    routine = _lapack("trs", LD.dtype, hermitian)
    if not B.size:
        return B
    flat = B.reshape(-1, *B.shape[-2:])
    found = np.array(flat)
    factors, places = LD.reshape(-1, *LD.shape[-2:]), pivots.reshape(-1, pivots.shape[-1])
    for number, right in enumerate(flat):
        found[number] = routine(factors[number], places[number], right, lower=1)[0]
    return found.reshape(B.shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _ldl_solved(LD, pivots, B, hermitian):
    on_host = functools.partial(_ldl_solved_on_host, hermitian=hermitian)
    return jax.pure_callback(
        lambda *arrays: on_host(*map(np.asarray, arrays)),
        jax.ShapeDtypeStruct(B.shape, B.dtype),
        LD,
        pivots,
        B,
        vmap_method="broadcast_all",
    )


def _ldl_forward(LD, pivots, B, hermitian):
    return _ldl_solved(LD, pivots, B, hermitian), (LD, pivots)


def _ldl_backward(hermitian, kept, gradient):
    """A is its own transpose, or its conjugate is."""
    LD, pivots = kept
    if hermitian:
        gradient = jnp.conj(_ldl_solved(LD, pivots, jnp.conj(gradient), True))
    else:
        gradient = _ldl_solved(LD, pivots, gradient, False)
    return jnp.zeros_like(LD), np.zeros(pivots.shape, jax.dtypes.float0), gradient


_ldl_solved.defvjp(_ldl_forward, _ldl_backward)


@op(function=False, method=False, name="linalg_ldl_solve", grad="LinalgLdlSolveBackward0")
def solved_by_ldl(LD: Array, pivots: Array, B: Array, hermitian: bool):
    """The X with `A X = B`."""
    name = "torch.linalg.ldl_solve"
    matrices(name, LD)
    if B.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected B to have at least 2 dimensions, but it has {B.ndim} dimensions "
            "instead"
        )
    if pivots.dtype.kind not in "iu":
        raise RuntimeError(
            f"{name}: Expected pivots to be integers. Got {scalar_name(pivots.dtype)}"
        )
    if LD.dtype != B.dtype:
        raise RuntimeError(
            "ldl_solve: Expected LD and B to have the same dtype, but found LD of type "
            f"{scalar_name(LD.dtype)} and B of type {scalar_name(B.dtype)} instead"
        )
    check_rows(name, LD, B)
    LD, places, B = with_batch(LD, pivots.astype(jnp.int32)[..., None], B)
    return _ldl_solved(LD, places[..., 0], B, hermitian)


@composite(export="linalg.ldl_solve")
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """The X with `A X = B` for a matrix factored by `linalg.ldl_factor`.

    Example:
        >>> LD = kuai.linalg.ldl_factor(kuai.tensor([[4.0, 2.0], [2.0, 2.0]]))
        >>> kuai.linalg.ldl_solve(*LD, kuai.ones(2, 1))
        tensor([[0.0000],
                [0.5000]])
    """
    return solved_by_ldl(LD, pivots, B, hermitian)
