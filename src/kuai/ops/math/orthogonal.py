"""Orthogonal matrices: exponentials of skew-symmetric ones, Cayley's map, products of reflections.

A is skew-symmetric, X a tall matrix whose columns below the diagonal are reflectors.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, op

__all__ = ["cayley_map", "exponential_map", "householder_map", "orthonormal", "reflectors"]


@op(function=False, method=False, grad="LinalgMatrixExpBackward0")
def exponential_map(skew: Array):
    """exp(A)."""
    function = jax.scipy.linalg.expm
    for _ in range(skew.ndim - 2):
        function = jax.vmap(function)
    return function(skew)


@op(function=False, method=False, grad="LinalgSolveExBackward0")
def cayley_map(skew: Array):
    """(I - A/2)⁻¹ (I + A/2)."""
    one = jnp.eye(skew.shape[-1], dtype=skew.dtype)
    return jnp.linalg.solve(one - skew / 2, one + skew / 2)


def _reflected(below, scales):
    """The first columns of the product of I - τᵢ vᵢ vᵢᵀ, for one matrix."""
    rows, columns = below.shape
    unit = jnp.eye(rows, columns, dtype=below.dtype)
    vectors = jnp.tril(below, -1) + unit

    def step(product, part):
        vector, scale = part
        return product - scale * jnp.outer(vector, vector @ product), None

    product, _ = jax.lax.scan(step, unit, (vectors.T, scales), reverse=True)
    return product


def _over_batches(function, ndim):
    for _ in range(ndim - 2):
        function = jax.vmap(function)
    return function


@op(function=False, method=False, grad="LinalgHouseholderProductBackward0")
def householder_map(below: Array):
    """The product of the reflections along the columns of X below its diagonal of ones."""
    below = jnp.tril(below, -1)
    scales = 2.0 / (1.0 + (below * below).sum(-2))
    return _over_batches(_reflected, below.ndim)(below, scales)


@op(function=False, method=False)
def reflectors(matrix: Array):
    """The reflectors below and the signs on the diagonal that give an orthogonal matrix back."""
    packed, scales = jnp.linalg.qr(matrix, mode="raw")
    packed = jnp.swapaxes(packed, -1, -2)  # NumPy gives it transposed
    diagonal = jnp.sign(jnp.diagonal(packed, axis1=-2, axis2=-1))
    diagonal = jnp.where(scales == 0, -diagonal, diagonal)
    place = jnp.arange(scales.shape[-1])
    return packed.at[..., place, place].set(diagonal)


@op(function=False, method=False)
def orthonormal(matrix: Array):
    """The Q of a tall matrix's QR decomposition whose R has a positive diagonal."""
    q, r = jnp.linalg.qr(matrix)
    diagonal = jnp.diagonal(r, axis1=-2, axis2=-1)
    size = jnp.abs(diagonal)
    return q * jnp.where(size == 0, 0, diagonal / jnp.where(size == 0, 1, size))[..., None, :]
