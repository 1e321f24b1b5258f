"""Attention whose scores and mask are given by functions of the places of query and key.

The functions see numbers: one score, one batch, one head, one query and one key. They are mapped
over all of them, and become part of the one XLA program that computes the attention.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np

from kuai.engine.autograd.batching import vectorize
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.nn.attention.block_mask import BlockMask, blocks_of_mask, noop_mask, sliced_mask
from kuai.ops.nn.flexible_attention import attention_of_scores, attention_scores

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "FlexKernelOptions",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

_DEFAULT_SPARSE_BLOCK_SIZE = 128  # packages that make block masks of their own read it


class AuxRequest(NamedTuple):
    """What `flex_attention` shall give besides the output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for: the logarithm of the softmax's denominator, the largest scores."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


class FlexKernelOptions(TypedDict, total=False):
    """Options of PyTorch's kernels, accepted and not needed here."""

    BACKEND: str
    BLOCK_M: int
    BLOCK_N: int
    num_warps: int
    num_stages: int


# Functions of one element, for all ----------------------------------------------------------------


def _mapped(function: Callable, score: Tensor | None, sizes: Sequence[int], device: Any) -> Tensor:
    """The function's results for every batch, head, query and key: (B, H, L, S)."""
    places = [from_array(np.arange(size), device) for size in sizes]

    def over(dim, score, fixed):
        if dim == len(sizes):
            return function(*fixed) if score is None else function(score, *fixed)

        def one(slices):
            *inner, place = slices
            return [over(dim + 1, inner[0] if inner else None, (*fixed, place))], []

        given = [places[dim]] if score is None else [score, places[dim]]
        (made,), _ = vectorize(one, given, [0] * len(given), sizes[dim])
        return made

    return over(0, score, ())


def create_mask(
    mod_fn: Callable,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
) -> Tensor:
    """What a mask or score function gives everywhere, (B, H, Q_LEN, KV_LEN).

    For a score function, scores are 0 and what is not -inf is allowed.

    Example:
        >>> from kuai.nn.attention.flex_attention import create_mask
        >>> create_mask(lambda b, h, q_idx, kv_idx: q_idx >= kv_idx, None, None, 2, 2)
        tensor([[[[ True, False],
                  [ True,  True]]]])
    """
    sizes = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    count = len(inspect.signature(mod_fn).parameters)
    if count not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    if count == 5:
        zeros = from_array(np.zeros(sizes, np.float32), device)
        return _mapped(mod_fn, zeros, sizes, device) != -math.inf
    return _mapped(mod_fn, None, sizes, device)


def create_block_mask(
    mask_mod: Callable,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = 128,
    _compile: bool = False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """The blocks of queries and keys that a mask function allows.

    Args:
        mask_mod: `mask_mod(b, h, q_idx, kv_idx)` says whether a query sees a key.
        B, H: None where the mask is the same for all batches or heads.
        BLOCK_SIZE: the size of a block; one number, or one for queries and one for keys.
        separate_full_blocks: note which blocks are wholly allowed.
        _compile, compute_dq_write_order, dq_kv_order: accepted; for PyTorch's kernels.

    Example:
        >>> from kuai.nn.attention.flex_attention import create_block_mask
        >>> mask = create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 64, 64, BLOCK_SIZE=32)
        >>> mask.to_dense()
        tensor([[[[1, 0],
                  [1, 1]]]], dtype=torch.int32)
    """
    count = len(inspect.signature(mask_mod).parameters)
    if count != 4:
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    size = size[0], size[1]
    mask = concrete(create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device), "create_block_mask()")
    partial, full = blocks_of_mask(mask, size)
    if not separate_full_blocks:
        partial, full = partial | full, None
    made = BlockMask.from_dense(partial, full, size, mask_mod, (Q_LEN, KV_LEN))
    return made if device is None else made.to(device)


def _check_masks(mask_mods):
    if not all(callable(mask) for mask in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask function that allows what any of these allows."""
    _check_masks(mask_mods)

    def or_mask(b, h, q_idx, kv_idx):
        result = b != b
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return or_mask


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask function that allows what all of these allow."""
    _check_masks(mask_mods)

    def and_mask(b, h, q_idx, kv_idx):
        result = b == b
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return and_mask


# Attention ----------------------------------------------------------------------------------------


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: FlexKernelOptions | None = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """softmax(score_mod(Q Kᵀ·scale)) V, where a mask function allows it.

    Args:
        score_mod: `score_mod(score, b, h, q_idx, kv_idx)` gives the score to take instead; it may
            read tensors, which get gradients.
        block_mask: from `create_block_mask`.
        scale: 1/√D by default.
        enable_gqa: key and value have fewer heads, each used by several heads of the query.
        return_lse: also give the logarithm of the softmax's denominator; `return_aux` is the new
            way to ask for it.
        kernel_options: accepted as in PyTorch.
        return_aux: what to give besides the output.

    Shape:
        query `(B, H, L, D)`, key `(B, H, S, D)`, value `(B, H, S, V)`; output `(B, H, L, V)`.

    Example:
        >>> from kuai.nn.attention.flex_attention import flex_attention
        >>> q, k = kuai.zeros(1, 1, 2, 4), kuai.zeros(1, 1, 3, 4)
        >>> v = kuai.arange(3.0).reshape(1, 1, 3, 1)
        >>> nearer = lambda score, b, h, q_idx, kv_idx: score - (q_idx - kv_idx).abs()
        >>> flex_attention(q, k, v, score_mod=nearer).flatten()
        tensor([0.4248, 1.0000])

    Reference: Dong et al., Flex attention, 2024.
    """
    _check(query, key, value, block_mask, enable_gqa)
    if return_lse and return_aux is None:
        _warn_of_return_lse()
    if return_lse and return_aux is not None:
        raise ValueError(
            "Cannot specify both return_lse and return_aux. return_lse is deprecated, please use "
            "return_aux=AuxRequest(lse=True) instead."
        )
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    batch = query.shape[0]
    if key.shape[0] != batch:
        key, value = (part.expand(batch, -1, -1, -1) for part in (key, value))
    scores = attention_scores(query, key, scale)
    if score_mod is not None:
        scores = _mapped(score_mod, scores, scores.shape, query.device)
    allowed = None if block_mask is None else _allowed(block_mask, query.device)
    output, sums, top = attention_of_scores(scores, allowed, value)
    if return_aux is not None:
        wanted = sums if return_aux.lse else None, top if return_aux.max_scores else None
        return output, AuxOutput(*wanted)
    return (output, sums) if return_lse else output


@functools.cache
def _warn_of_return_lse() -> None:
    """Once, as in PyTorch."""
    warnings.warn(
        "return_lse is deprecated and will be removed in v2.10. Please use "
        "return_aux=AuxRequest(lse=True) instead.",
        FutureWarning,
        stacklevel=3,
    )


def _allowed(block_mask: BlockMask, device: Any) -> Tensor:
    """The mask of elements: wholly allowed blocks, and what the function says of the others."""
    rows, columns = block_mask.seq_lengths
    size = block_mask.BLOCK_SIZE

    def spread(blocks):
        wide = blocks.repeat(size[0], axis=-2).repeat(size[1], axis=-1)
        return from_array(wide[..., :rows, :columns], device)

    partial, full = map(spread, block_mask.parts())
    if block_mask.mask_mod is noop_mask:
        return partial | full
    said = _mapped(block_mask.mask_mod, None, partial.shape, device)
    return full | (partial & said)


def _check(query, key, value, block_mask, enable_gqa):
    if not query.ndim == key.ndim == value.ndim == 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension but got "
            f"E={query.shape[-1]} and E={key.shape[-1]}."
        )
    _check_products(query, key, value)
    heads, others = query.shape[1], key.shape[1]
    if not enable_gqa and heads != others:
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got "
            f"Hq={heads} and Hkv={others}. Try setting enable_gqa=True for GQA."
        )
    if heads % others:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={heads} and Hkv={others}."
        )
    if query.shape[0] != key.shape[0] and block_mask is None:
        raise ValueError(
            "Expect query and key/value to have the same batch size, or non-none block_mask, but "
            f"got block_mask=None, Bq={query.shape[0]}, and Bkv={key.shape[0]}."
        )
    if block_mask is not None:
        _check_block_mask(block_mask, query.shape[-2], key.shape[-2])


def _check_products(query, key, value):
    """What PyTorch's matrix products refuse."""
    for part in (query, key, value):
        if part.dtype is not query.dtype or not part.dtype.is_floating_point:
            kind = query.dtype.jax if query.dtype.is_floating_point else np.float32
            raise RuntimeError(
                f"expected scalar type {scalar_name(kind)} but found {scalar_name(part.dtype.jax)}"
            )
    length = key.shape[-2]
    if value.shape[-2] != length:
        count = query.shape[0] * query.shape[1]
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {length}] "
            f"but got: [{count}, {value.shape[-2]}]."
        )
    if not length:
        raise IndexError("max(): Expected reduction dim 3 to have non-zero size.")


def _check_block_mask(block_mask, rows, columns):
    if block_mask.mask_mod is sliced_mask:
        raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")
    wanted = block_mask.shape[-2:]
    if wanted == (rows, columns):
        return
    start = (
        f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={rows} and "
        f"kv_len={columns}. As the block mask was created for a "
    )
    if rows > wanted[0] or columns > wanted[1]:
        raise ValueError(
            f"{start}smaller length than you're using it for, you likely need to create a new "
            "block mask."
        )
    raise ValueError(
        f"{start}larger length than you're using it for, you can either 1. create a new block mask "
        "with the correct length, or 2. 'adjust' the existing block mask to the correct length by "
        "calling block_mask._adjust(q_len, kv_len). This essentially 'crops' the block mask to the "
        "upper left corner, which does not work for all mask_mods!"
    )
