"""cuDNN's fused kernel for attention, on GPUs: the scores never lie in memory as a whole.

    out = softmax(Q Kᵀ·scale + mask) V

Dao et al., FlashAttention, 2022. JAX says by an error for which shapes, dtypes and cards cuDNN has
no kernel; there, the formula is left to XLA. As with PyTorch's fused kernels there is a first
derivative only; `sdpa_kernel(SDPBackend.MATH)` has all of them.
"""

import math

import jax
import jax.numpy as jnp

__all__ = ["fused_attention"]


def fused_attention(query, key, value, mask, is_causal, scale):
    """Attention by cuDNN, or None where it has no kernel.

    Args:
        query, key, value: (*, H, L, D), (*, H, S, D), (*, H, S, D), or without H.
        mask: None or bool, True where attention is allowed; a row that is closed gives zeros.
    """
    if query.dtype not in (jnp.float16, jnp.bfloat16) or 0 in (*query.shape, *key.shape):
        return None
    if query.ndim < 3 or not query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        return None
    if mask is not None and mask.dtype != bool:
        return None
    try:
        out = jax.nn.dot_product_attention(
            *map(_heads_behind_length, (query, key, value)),
            mask=None if mask is None else _of_rank_four(mask, query),
            scale=scale,
            is_causal=is_causal,
            implementation="cudnn",
        )
    except (NotImplementedError, RuntimeError, ValueError):
        return None
    out = out.swapaxes(1, 2).reshape(*query.shape[:-1], value.shape[-1])
    # cuDNN gives the mean of all values where nothing may be attended to
    return out if mask is None else jnp.where(jnp.any(mask, -1, keepdims=True), out, 0)


def _heads_behind_length(array):
    """(*, H, L, D) -> (B, L, H, D); an array of rank three has one head."""
    heads = array.shape[-3] if array.ndim > 3 else 1
    return array.reshape(-1, heads, *array.shape[-2:]).swapaxes(1, 2)


def _of_rank_four(mask, query):
    """A mask that can be broadcast to (B, H, L, S)."""
    if query.ndim == 3:
        mask = mask.reshape((1,) * (3 - mask.ndim) + mask.shape)
        return mask[:, None]
    if mask.ndim <= 4:
        return mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
    mask = jnp.broadcast_to(mask, (*query.shape[:-2], *mask.shape[-2:]))
    return mask.reshape(math.prod(query.shape[:-3]), *mask.shape[-3:])
