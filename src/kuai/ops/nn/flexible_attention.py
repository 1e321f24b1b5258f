"""The two halves of attention whose scores a user's function changes in between.

Letters: B batch, H heads, L queries, S keys.
"""

import jax.numpy as jnp

from kuai.engine.op import Array, op

__all__ = ["attention_of_scores", "attention_scores"]


def _heads(array, count):
    """As many heads as there are of the query, each used several times in a row."""
    return jnp.repeat(array, count // array.shape[1], axis=1)


@op(function=False, method=False, grad="FlexAttentionBackward0", autocast="lower")
def attention_scores(query: Array, key: Array, scale: float):
    """Q Kᵀ·scale in float32 at least, (B, H, L, S)."""
    kind = jnp.promote_types(query.dtype, jnp.float32)
    key = _heads(key, query.shape[1])
    return scale * jnp.einsum("bhld,bhsd->bhls", query, key, preferred_element_type=kind)


@op(function=False, method=False, grad="FlexAttentionBackward0")
def attention_of_scores(scores: Array, allowed: Array | None, value: Array):
    """softmax(scores) V, the logarithm of the softmax's denominator, and the largest score.

    A query that may see nothing gets zeros, and -inf for both.
    """
    if allowed is not None:
        scores = jnp.where(allowed, scores, -jnp.inf)
    top = scores.max(-1, keepdims=True)
    closed = top == -jnp.inf
    powers = jnp.exp(scores - jnp.where(closed, 0, top))
    total = powers.sum(-1, keepdims=True)
    weights = powers / jnp.where(closed, 1, total)
    value = _heads(value, scores.shape[1])
    made = jnp.einsum(
        "bhls,bhsd->bhld", weights.astype(value.dtype), value, preferred_element_type=scores.dtype
    )
    sums = jnp.where(closed, -jnp.inf, top + jnp.log(jnp.where(closed, 1, total)))
    return made.astype(value.dtype), sums[..., 0], top[..., 0]
