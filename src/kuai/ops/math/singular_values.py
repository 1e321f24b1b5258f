"""Singular value decompositions A = U diag(S) Vᴴ with the whole of U and V, and their derivative.

The columns of U and V beyond the singular values are any that are orthogonal to the others: they
have no derivative. That of the others follows from dP = Uᴴ dA V.

Reference: J. Townsend, Differentiating the singular value decomposition, 2016.
"""

import jax
import jax.numpy as jnp

from kuai.ops.math.matrix_factors import adjoint

__all__ = ["singular_values", "without_infinity", "thin_svd", "whole_svd"]


def without_infinity(A):
    """A, with nan for every matrix that holds inf: LAPACK would search for ever."""
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    return jnp.where(finite, A, jnp.nan)


def singular_values(A):
    """The singular values, falling."""
    return jnp.linalg.svd(without_infinity(A), compute_uv=False)


def thin_svd(A):
    """U, S and Vᴴ with as many columns of U and V as there are singular values."""
    return tuple(jnp.linalg.svd(without_infinity(A), full_matrices=False))


@jax.custom_jvp
def whole_svd(A):
    """U, S and Vᴴ, U and V square."""
    return tuple(jnp.linalg.svd(without_infinity(A), full_matrices=True))


@whole_svd.defjvp
def _whole_derivative(primals, tangents):
    U, S, Vh = whole_svd(*primals)
    count = S.shape[-1]
    thin = U[..., :count], S, adjoint(Vh[..., :count, :])
    dU, dS, dV = _thin_tangents(*thin, *tangents)
    dU = jnp.concatenate([dU, jnp.zeros_like(U[..., count:])], -1)
    dVh = jnp.concatenate([adjoint(dV), jnp.zeros_like(Vh[..., count:, :])], -2)
    return (U, S, Vh), (dU, dS, dVh)


def _thin_tangents(U, S, V, dA):
    """The changes of as many columns as there are singular values."""
    dP = adjoint(U) @ dA @ V
    diagonal = jnp.diagonal(dP, axis1=-2, axis2=-1)
    row, column = S[..., None, :], S[..., :, None]
    same = jnp.eye(S.shape[-1], dtype=bool)
    gaps = jnp.where(same, 0, 1 / jnp.where(same, 1, row**2 - column**2))
    by_row, by_column = dP * row, column * dP
    dU = U @ (gaps * (by_row + adjoint(by_row)))
    dV = V @ (gaps * (by_column + adjoint(by_column)))
    if jnp.iscomplexobj(dP):
        dU = dU + U * (1j * diagonal.imag / S)[..., None, :]
    if U.shape[-2] > U.shape[-1]:
        dU = dU + _outside(U, dA @ V) / row
    if V.shape[-2] > V.shape[-1]:
        dV = dV + _outside(V, adjoint(dA) @ U) / row
    return dU, diagonal.real.astype(S.dtype), dV


def _outside(columns, change):
    """The part of a change that is orthogonal to all columns."""
    return change - columns @ (adjoint(columns) @ change)
