"""Eigenvalues and eigenvectors of general matrices, and how they change with the matrix.

For A V = V diag(w) and P = V⁻¹ dA V the eigenvalues change by diag(P), and the eigenvectors by
V·(P / E) with E[i, j] = w[j] - w[i] off the diagonal, less the part that would change their length:
an eigenvector is only known up to a factor, and the one of length 1 is meant.

Reference: Boeddeker et al., "On the computation of complex-valued gradients", 2017.
"""

import jax
import jax.numpy as jnp

__all__ = ["eigenpairs"]


@jax.custom_jvp
def eigenpairs(A):
    """The complex eigenvalues and the eigenvectors of length 1 of square matrices."""
    return tuple(jnp.linalg.eig(A))


@eigenpairs.defjvp
def _eigenpairs_jvp(primals, tangents):
    values, vectors = eigenpairs(*primals)
    change = jnp.linalg.solve(vectors, tangents[0].astype(vectors.dtype) @ vectors)
    of_values = jnp.diagonal(change, axis1=-2, axis2=-1)
    distance = values[..., None, :] - values[..., :, None]
    diagonal = jnp.eye(values.shape[-1], dtype=bool)
    mixed = jnp.where(diagonal, 0, change / jnp.where(diagonal, 1, distance))
    moved = vectors @ mixed
    along = jnp.sum(jnp.conj(vectors) * moved, -2, keepdims=True).real
    return (values, vectors), (of_values, moved - vectors * along)
