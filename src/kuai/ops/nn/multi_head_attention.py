"""Attention of several heads, with the projections before and after it.

All of it is one operation: eagerly one compiled call, and XLA sees the whole. The tensors that may
be missing travel as one list beside the names of those that are there. What is fixed by the shapes
is checked while tracing.

Letters: N batch, L target length, S source length, E embedding, H heads, D size of a head.
"""

import math
import typing
import warnings

import jax.numpy as jnp

from kuai.engine.op import Array, Number, Sequence, composite, op
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import dtype as Dtype
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import spread
from kuai.ops.nn.attention import attend, dropped, safe_softmax, scores_of
from kuai.ops.nn.attention_choices import may_be_fused
from kuai.ops.nn.dropout import probability
from kuai.ops.nn.softmax import _softmax


class _Options(typing.NamedTuple):
    heads: int
    add_zero_attn: bool
    need_weights: bool
    average: bool
    is_causal: bool
    fused: bool


# Projections --------------------------------------------------------------------------------------


def _linear(input, weight, bias):
    if input.dtype != weight.dtype:
        names = scalar_name(input.dtype), scalar_name(weight.dtype)
        raise RuntimeError(
            "mat1 and mat2 must have the same dtype, but got {} and {}".format(*names)
        )
    output = jnp.einsum("...i,oi->...o", input, weight)
    return output if bias is None else output + spread(bias, output.shape)


def _projected(given):
    """Query, key and value projected: (L, N, E), (S, N, E) and (S, N, E)."""
    query, bias = given["query"], given.get("in_proj_bias")
    packed = given.get("in_proj_weight")
    if packed is not None and "key" not in given:
        return jnp.split(_linear(query, packed, bias), 3, axis=-1)
    inputs = query, given["key"], given["value"]
    if packed is None:
        weights = [given[f"{name}_proj_weight"] for name in "qkv"]
        _check_weights(inputs, weights)
    else:
        weights = jnp.split(packed, 3)
    biases = (None,) * 3 if bias is None else jnp.split(bias, 3)
    return [_linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]


def _check_weights(inputs, weights):
    size = inputs[0].shape[-1]
    for name, input, weight in zip(("query", "key", "value"), inputs, weights, strict=True):
        wanted = (size, input.shape[-1])
        if weight.shape != wanted:
            raise AssertionError(
                f"expecting {name} weights shape of {wanted}, "
                f"but got torch.Size({list(weight.shape)})"
            )


def _into_heads(array, heads):
    """(S, N, E) -> (N·H, S, D)."""
    length, batch, size = array.shape
    return array.reshape(length, batch * heads, size // heads).swapaxes(0, 1)


# Masks --------------------------------------------------------------------------------------------


@op(function=False, method=False, name="masked_fill", grad="MaskedFillBackward0")
def _closing(mask: Array, dtype: Dtype):
    """-inf where the mask is True, zero elsewhere."""
    return jnp.where(mask, -jnp.inf, 0).astype(dtype.jax)


def canonical_mask(mask, name, dtype, other=None, other_name=""):
    """A mask to be added to scores: a bool one becomes -inf where it is True.

    Args:
        other: the dtype of the mask that it is used with; a warning says if it is another one.
    """
    if mask is None:
        return None
    if mask.dtype.name != "bool" and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and mask.dtype != other:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. "
            "Use same type for both instead.",
            stacklevel=3,
        )
    return _closing(mask, dtype) if mask.dtype.name == "bool" else mask


def dtype_of(mask):
    """The dtype of a mask, None for none."""
    return None if mask is None else mask.dtype


def _merged_mask(given, options):
    """Both masks as one, (1 or N·H, L or 1, S), one position longer for each added one."""
    mask, padding = given.get("attn_mask"), given.get("key_padding_mask")
    added = ("bias_k" in given) + options.add_zero_attn
    if mask is not None:
        mask = mask[None] if mask.ndim == 2 else mask
        mask = jnp.pad(mask, [(0, 0), (0, 0), (0, added)])
    if padding is None:
        return mask
    padding = jnp.pad(padding, [(0, 0), (0, added)])
    padding = jnp.repeat(padding[:, None, :], options.heads, axis=0)  # (N·H, 1, S)
    return padding if mask is None else mask + padding


# The operation ------------------------------------------------------------------------------------


def _longer(given, options):
    """Query, key and value as (N·H, L or S, D), with the positions that are added to the source."""
    batch = given["query"].shape[1]
    query, *source = _projected(given)
    if "bias_k" in given:
        extra = (given["bias_k"], given["bias_v"])
        source = [
            jnp.concatenate([array, jnp.tile(row, (1, batch, 1))])
            for array, row in zip(source, extra, strict=True)
        ]
    query, key, value = (_into_heads(array, options.heads) for array in (query, *source))
    source = [given.get("static_k", key), given.get("static_v", value)]
    if options.add_zero_attn:
        source = [jnp.pad(array, [(0, 0), (0, 1), (0, 0)]) for array in source]
    return query, *source


def _apply(random_key, arrays, names, options, *dropout):
    """Everything, for batched inputs: the output (L, N, E), and the weights if they are wanted."""
    given, options = dict(zip(names, arrays, strict=True)), _Options(*options)
    length, batch, size = given["query"].shape
    query, key, value = _longer(given, options)
    mask = _merged_mask(given, options)
    scale = 1 / math.sqrt(query.shape[-1])
    weights = None
    if options.need_weights:
        scores = scores_of(query * jnp.asarray(scale, query.dtype), key, mask)
        weights = _softmax(scores, -1) if mask is None else safe_softmax(scores)
        weights = dropped(random_key, weights, *dropout)  # (N·H, L, S)
        attended = weights @ value
    else:
        attended = attend(
            random_key, query, key, value, mask, options.is_causal, scale, dropout, options.fused
        )
    joined = attended.swapaxes(0, 1).reshape(length, batch, size)
    output = _linear(joined, given["out_proj_weight"], given.get("out_proj_bias"))
    if weights is None:
        return output
    weights = weights.reshape(batch, options.heads, length, weights.shape[-1])
    return output, jnp.mean(weights, axis=1) if options.average else weights


@op(function=False, method=False, grad="ViewBackward0", autocast="lower")
def _multi_head(arrays: Sequence[Array], names: tuple, options: tuple):
    """Attention of several heads."""
    return _apply(None, arrays, names, options)


@op(function=False, method=False, random=True, grad="ViewBackward0", autocast="lower")
def _multi_head_with_dropout(
    random_key, arrays: Sequence[Array], names: tuple, options: tuple, p: Number, bits: int
):
    """Attention of several heads, with dropout of the weights."""
    return _apply(random_key, arrays, names, options, p, bits)


# Checks -------------------------------------------------------------------------------------------


def _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Whether there is a batch dimension; raises where the ranks do not fit each other."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.ndim}-D query tensor"
        )
    start = f"For {'batched' if query.ndim == 3 else 'unbatched'} ({query.ndim}-D) `query`, "
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"{start}expected `key` and `value` to be {query.ndim}-D"
            f" but found {key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(
            f"{start}expected `key_padding_mask` to be `None` or {query.ndim - 1}-D"
            f" but found {key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"{start}expected `attn_mask` to be `None`, 2-D or 3-D"
            f" but found {attn_mask.ndim}-D tensor instead"
        )
    if query.ndim == 2 and attn_mask is not None and attn_mask.ndim == 3:
        wanted = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != wanted:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {wanted} but got {attn_mask.shape}"
            )
    return query.ndim == 3


def _check_sizes(query, key, value, size, num_heads, separate):
    if query.shape[-1] != size:
        raise AssertionError(
            f"was expecting embedding dimension of {size}, but got {query.shape[-1]}"
        )
    if size % num_heads:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _check_masks(attn_mask, key_padding_mask, length, source, batch, num_heads):
    if attn_mask is not None:
        wanted = (length, source)
        if attn_mask.ndim == 3:
            wanted = (batch * num_heads, *wanted)
        if tuple(attn_mask.shape) != wanted:
            raise RuntimeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, "
                f"but should be {wanted}."
            )
    if key_padding_mask is not None:
        for dim, wanted in enumerate((batch, source)):
            found = key_padding_mask.shape[dim]
            if found != wanted:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{dim}] to be {wanted}, but got {found}"
                )


def _check_added(bias_k, bias_v, static_k, static_v):
    if (bias_k is None) != (bias_v is None):
        there, missing = ("bias_k", "bias_v") if bias_v is None else ("bias_v", "bias_k")
        raise AssertionError(f"{there} is set but {missing} is None")
    for name, static in (("key", static_k), ("value", static_v)):
        if bias_k is not None and static is not None:
            raise AssertionError(f"bias cannot be added to static {name}.")


# The function -------------------------------------------------------------------------------------


@composite(function=False, method=False, functional=True)
def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads, all weights given; `nn.MultiheadAttention` holds them.

    headᵢ = softmax(Q Wᵢᵠ (K Wᵢᴷ)ᵀ / √D + masks) V Wᵢⱽ, and the output is [head₁ … head_H] Wᴼ.

    Args:
        embed_dim_to_check: the size E that the query must have.
        in_proj_weight, in_proj_bias: those of query, key and value in one, `(3·E, E)`.
        bias_k, bias_v: one more source position `(1, 1, E)`, or None.
        add_zero_attn: one more source position of zeros.
        key_padding_mask: `(N, S)`, True where the source is padding, or added to the scores.
        attn_mask: `(L, S)` or `(N·H, L, S)`, True where attention is not allowed, or added.
        is_causal: the mask is the causal one.

    Shape:
        query `(L, N, E)`, key `(S, N, K)`, value `(S, N, V)`; output `(L, N, E)`, weights
        `(N, L, S)`, or `(N, H, L, S)` with `average_attn_weights=False`. All without N as well.

    Example:
        >>> x, w = kuai.ones(3, 2, 4), kuai.ones(12, 4)
        >>> attend = kuai.nn.functional.multi_head_attention_forward
        >>> output, weights = attend(
        ...     x, x, x, 4, 2, w, None, None, None, False, 0.0, w[:4], None
        ... )
        >>> output.shape, weights.shape
        (torch.Size([3, 2, 4]), torch.Size([2, 3, 3]))

    Reference: Vaswani et al., Attention is all you need, 2017.
    """
    is_batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    in_one = query is key and key is value and not use_separate_proj_weight
    if not is_batched:
        query, key, value = (tensor.unsqueeze(1) for tensor in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    key_padding_mask = canonical_mask(
        key_padding_mask, "key_padding_mask", query.dtype, dtype_of(attn_mask), "attn_mask"
    )
    may_skip = key_padding_mask is None and not need_weights
    attn_mask, is_causal = _attention_mask(attn_mask, query.dtype, is_causal, may_skip)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    _check_added(bias_k, bias_v, static_k, static_v)
    source = (key if static_k is None else static_k.transpose(0, 1)).shape[0]
    _check_masks(attn_mask, key_padding_mask, query.shape[0], source, query.shape[1], num_heads)
    inputs = {"query": query} if in_one else {"query": query, "key": key, "value": value}
    weights: dict[str, typing.Any] = {"in_proj_weight": in_proj_weight}
    if use_separate_proj_weight:
        weights = dict(zip(_SEPARATE, (q_proj_weight, k_proj_weight, v_proj_weight), strict=True))
    tensors = {
        **inputs,
        **weights,
        "in_proj_bias": in_proj_bias,
        "bias_k": bias_k,
        "bias_v": bias_v,
        "out_proj_weight": out_proj_weight,
        "out_proj_bias": out_proj_bias,
        "key_padding_mask": key_padding_mask,
        "attn_mask": attn_mask,
        "static_k": static_k,
        "static_v": static_v,
    }
    options = _Options(
        num_heads,
        add_zero_attn,
        need_weights,
        average_attn_weights,
        is_causal,
        may_be_fused(query),
    )
    made = _run(tensors, options, dropout_p if training else 0.0)
    return _results(made if need_weights else (made, None), is_batched)


_SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


def _attention_mask(mask, dtype, is_causal, may_skip):
    """The mask as it is added to scores; or none, and that the kernel is to be causal by itself."""
    if is_causal and mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    is_causal = is_causal and may_skip
    return None if is_causal else canonical_mask(mask, "attn_mask", dtype), is_causal


def _run(tensors, options, p):
    there = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    arguments = list(there.values()), tuple(there), tuple(options)
    if p > 0:
        return _multi_head_with_dropout(*arguments, *probability(p))
    return _multi_head(*arguments)


def _results(made, is_batched):
    """Output and weights, without the batch dimension if there was none."""
    output, weights = made
    if is_batched:
        return output, weights
    return output.squeeze(1), None if weights is None else weights.squeeze(0)
