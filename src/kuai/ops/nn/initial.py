"""Random arrays that weights start from: a truncated normal distribution, orthogonal matrices."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, op


@op(function=False, method=False, random=True)
def truncated_normal(key, like: Array, mean: Number, std: Number, a: Number, b: Number):
    """Normally distributed numbers between a and b, in the shape and dtype of `like`.

    Example:
        >>> float(truncated_normal(kuai.zeros(9), 0.0, 1.0, -0.5, 0.5).abs().max()) <= 0.5
        True
    """
    kind = jnp.float64 if like.dtype == jnp.float64 else jnp.float32
    mean, std, a, b = (jnp.asarray(number, kind) for number in (mean, std, a, b))
    drawn = jax.random.truncated_normal(key, (a - mean) / std, (b - mean) / std, like.shape, kind)
    return jnp.clip(drawn * std + mean, a, b).astype(like.dtype)


@op(function=False, method=False, random=True)
def orthogonal(key, like: Array, gain: Number):
    """A matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    The decomposition's signs are made those of R's diagonal, so the distribution is uniform.

    Example:
        >>> q = orthogonal(kuai.zeros(3, 2), 1.0)
        >>> bool(kuai.allclose(q.T @ q, kuai.eye(2), atol=1e-6))
        True
    """
    rows = like.shape[0]
    columns = like.size // rows
    kind = jnp.float64 if like.dtype == jnp.float64 else jnp.float32
    tall = (rows, columns) if rows >= columns else (columns, rows)
    basis, triangle = jnp.linalg.qr(jax.random.normal(key, tall, kind))
    basis = basis * jnp.sign(jnp.diag(triangle))
    basis = basis if rows >= columns else basis.T
    return (gain * basis).reshape(like.shape).astype(like.dtype)


@op(function=False, method=False, random=True)
def sparse_columns(key, like: Array, zeros: int, std: Number):
    """Normally distributed numbers, with `zeros` of them in each column replaced by 0.

    Example:
        >>> int((sparse_columns(kuai.zeros(4, 2), 3, 1.0) == 0).sum())
        6
    """
    numbers, places = jax.random.split(key)
    drawn = jax.random.normal(numbers, like.shape, like.dtype) * jnp.asarray(std, like.dtype)
    order = jnp.argsort(jax.random.uniform(places, like.shape), axis=0)
    ranks = jnp.argsort(order, axis=0)
    return jnp.where(ranks < zeros, jnp.zeros((), like.dtype), drawn)
