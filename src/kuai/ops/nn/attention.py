"""Scaled dot product attention: softmax(Q Kᵀ / √D + mask) V.

Letters: L target length, S source length, D size of a head.
"""

import math

import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.promotion import c_name, scalar_name
from kuai.ops.accumulation import widened
from kuai.ops.dimensions import broadcast_shapes, normalize_dim, size_of
from kuai.ops.nn.attention_choices import enabled_backends, may_be_fused, without_bias
from kuai.ops.nn.dropout import keep_mask, probability, scaled
from kuai.ops.nn.fused_attention import fused_attention
from kuai.ops.nn.softmax import _softmax


def scores_of(query, key, mask):
    """Q Kᵀ + mask; a bool mask is True where attention is allowed."""
    scores = jnp.einsum("...ld,...sd->...ls", query, key)
    if mask is None:
        return scores
    broadcast_shapes(scores.shape, mask.shape)
    if mask.dtype == bool:
        return jnp.where(mask, scores, -jnp.inf)
    return scores + mask.astype(scores.dtype)


def _causal(length, source):
    """True where the source position is not after the target position."""
    return jnp.tri(length, source, dtype=bool)


def safe_softmax(scores):
    """Softmax over the source; zeros where nothing may be attended to."""
    is_closed = jnp.all(scores == -jnp.inf, axis=-1, keepdims=True)
    weights = _softmax(jnp.where(is_closed, 0, scores), -1)
    return jnp.where(is_closed, 0, weights)


def dropped(random_key, weights, p=0.0, bits=0):
    """The weights with some set to zero, if there is a random key."""
    if random_key is None:
        return weights
    kept = keep_mask(random_key, weights.shape, p, bits)
    return jnp.where(kept, scaled(weights, p, bits), 0).astype(weights.dtype)


def attend(random_key, query, key, value, mask, is_causal, scale, dropout, fused):
    """Attention whose rows without anything to attend to are zero.

    `dropout` is its probability and the bits it asks for (see `dropout.probability`), if there is a
    random key. `fused` says whether it is for a GPU, and one of its own kernels may be taken.
    """
    if fused and random_key is None:
        attended = fused_attention(query, key, value, mask, is_causal, scale)
        if attended is not None:
            return attended
    kind, is_given = query.dtype, mask is not None
    query, key, value = map(widened, (query, key, value))
    causal = _causal(query.shape[-2], key.shape[-2]) if is_causal else None
    scores = scores_of(query * jnp.asarray(scale, query.dtype), key, mask if is_given else causal)
    if is_given and causal is not None:
        scores = jnp.where(causal, scores, -jnp.inf)
    # only a given mask can close a whole row: in the causal one each position sees the first
    weights = safe_softmax(scores) if is_given else _softmax(scores, -1)
    attended = jnp.einsum("...ls,...sd->...ld", dropped(random_key, weights, *dropout), value)
    return attended.astype(kind)


def _repeated_heads(query, key, value):
    """Heads of key and value, as many as there are of the query."""
    heads = query.shape[-3]
    return [jnp.repeat(array, heads // array.shape[-3], axis=-3) for array in (key, value)]


def _check(query, key, value, mask, is_causal, enable_gqa):
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{c_name(query.dtype)} key.dtype: {c_name(key.dtype)} and value.dtype: "
            f"{c_name(value.dtype)} instead."
        )
    _check_mask(query, mask, is_causal)
    _check_sizes(query, key, value)
    if enable_gqa:
        _check_heads(query, key, value)


def _check_mask(query, mask, is_causal):
    if mask is None:
        return
    if is_causal and query.ndim != 4:  # as PyTorch's fallback says; its kernel for CPUs does both
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    if mask.dtype not in (bool, jnp.float32, query.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {c_name(mask.dtype)} and  query.dtype: {c_name(query.dtype)} "
            "instead."
        )


def _check_sizes(query, key, value):
    rows = size_of(query.shape, range(query.ndim - 2))
    found, wanted = [rows, key.shape[-1]], [rows, query.shape[-1]]
    if found == wanted:
        found, wanted = [rows, value.shape[-2]], [rows, key.shape[-2]]
    if found != wanted:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {wanted} "
            f"but got: {found}."
        )


def _check_heads(query, key, value):
    heads = [array.shape[normalize_dim(-3, array.ndim)] for array in (query, key, value)]
    if heads[0] % heads[1] or heads[0] % heads[2]:
        raise RuntimeError("Number of heads in key and value must divide the number of heads in ")


def _prepared(query, key, value, mask, is_causal, scale, enable_gqa):
    _check(query, key, value, mask, is_causal, enable_gqa)
    if enable_gqa:
        key, value = _repeated_heads(query, key, value)
    broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return query, key, value, mask, is_causal, scale


def _attention_name(query, *rest):
    """What PyTorch calls the kernel that serves these ranks."""
    if query.ndim == 4:
        return "ScaledDotProductFlashAttentionForCpuBackward0"
    return "MmBackward0" if query.ndim == 2 else "UnsafeViewBackward0"


@op(function=False, method=False, grad=_attention_name, autocast="lower")
def _attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    is_causal: bool,
    scale: Number | None,
    enable_gqa: bool,
    fused: bool,
):
    """Scaled dot product attention without dropout."""
    prepared = _prepared(query, key, value, attn_mask, is_causal, scale, enable_gqa)
    return attend(None, *prepared, (), fused)


@op(function=False, method=False, random=True, grad="UnsafeViewBackward0", autocast="lower")
def _attention_with_dropout(
    random_key,
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    is_causal: bool,
    scale: Number | None,
    enable_gqa: bool,
    dropout_p: Number,
    bits: int,
):
    """Scaled dot product attention with dropout of the weights."""
    prepared = _prepared(query, key, value, attn_mask, is_causal, scale, enable_gqa)
    return attend(random_key, *prepared, (dropout_p, bits), False)


@composite(function=False, method=False, functional=True)
def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    *,
    scale=None,
    enable_gqa=False,
):
    """softmax(Q Kᵀ·scale + mask) V: for each query a mean of the values, weighted by likeness.

    Args:
        attn_mask: broadcast to `(*, L, S)`; bool, True where attention is allowed, or added.
        dropout_p: dropout of the weights, always on; pass 0.0 in evaluation.
        is_causal: each position attends to itself and those before it.
        scale: 1/√D by default.
        enable_gqa: key and value have fewer heads, each used by several heads of the query.

    Shape:
        query `(*, L, D)`, key `(*, S, D)`, value `(*, S, V)`; output `(*, L, V)`.

    Example:
        >>> q = kuai.ones(2, 8, 5, 16)
        >>> kuai.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
        torch.Size([2, 8, 5, 16])

    Reference: Vaswani et al., Attention is all you need, 2017.
    """
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p:g}")
    if not enabled_backends():
        raise RuntimeError("No available kernel. Aborting execution.")
    attn_mask, is_causal = without_bias(attn_mask, is_causal, query.device)
    alike = query.dtype is key.dtype is value.dtype
    if alike and not (query.dtype.is_floating_point or query.dtype.is_complex):
        raise RuntimeError(f"expected scalar type Float but found {scalar_name(query.dtype.jax)}")
    scale = None if scale is None else float(scale)
    arguments = query, key, value, attn_mask, is_causal, scale, enable_gqa
    if dropout_p > 0:
        return _attention_with_dropout(*arguments, *probability(dropout_p))
    return _attention(*arguments, may_be_fused(query))
