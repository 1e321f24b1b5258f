"""Attention with scores and masks that are functions of positions.

For queries q, keys k and values v of shape (B, H, L, E) and (B, H, S, E)

    softmax(score_mod(q kᵀ / √E, b, h, i, j) where mask_mod(b, h, i, j)) v

with batch b, head h, query i and key j. The functions are called once, on tensors of all positions
that are broadcast against each other, so they have to be made of tensor operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from kuai.engine.tensor import Tensor
from kuai.ops.table import FUNCTIONS

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

_DEFAULT_SPARSE_BLOCK_SIZE = 128
arange, logsumexp, where = (FUNCTIONS[name] for name in ("arange", "logsumexp", "where"))


class AuxRequest(NamedTuple):
    """What else `flex_attention` is to give: the logarithm of the sums, the largest scores."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What else it gives."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Tensor:
    """A mask that hides nothing."""
    return token_q == token_q


def or_masks(*mask_mods: Callable) -> Callable:
    """A mask that shows what one of several shows."""

    def mask(b, h, q, kv):
        shown = mask_mods[0](b, h, q, kv)
        for each in mask_mods[1:]:
            shown = shown | each(b, h, q, kv)
        return shown

    return mask


def and_masks(*mask_mods: Callable) -> Callable:
    """A mask that shows what all of several show."""

    def mask(b, h, q, kv):
        shown = mask_mods[0](b, h, q, kv)
        for each in mask_mods[1:]:
            shown = shown & each(b, h, q, kv)
        return shown

    return mask


class BlockMask:
    """A mask as a function of positions, with the lengths that it is for."""

    def __init__(self, mask_mod: Callable, seq_lengths: tuple[int, int], shape: tuple):
        self.mask_mod, self.seq_lengths, self.shape = mask_mod, seq_lengths, shape
        self.BLOCK_SIZE = (_DEFAULT_SPARSE_BLOCK_SIZE,) * 2

    def to(self, *args: Any, **kwargs: Any) -> BlockMask:
        """The mask itself: it holds no tensors of its own."""
        return self


def _positions(b: int, h: int, q: int, kv: int, device: Any) -> list[Tensor]:
    shapes = [(-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)]
    sizes = (b, h, q, kv)
    return [arange(n, device=device).reshape(s) for n, s in zip(sizes, shapes, strict=True)]


def create_mask(
    mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:
    """The mask for all positions as a tensor of truth values.

    Example:
        >>> from kuai.nn.attention.flex_attention import create_mask
        >>> create_mask(lambda b, h, i, j: i >= j, None, None, 2, 2)
        tensor([[[[ True, False],
                  [ True,  True]]]])
    """
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    return mod_fn(*_positions(*shape, device)).expand(shape)


def create_block_mask(
    mask_mod: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None,
    BLOCK_SIZE: Any = _DEFAULT_SPARSE_BLOCK_SIZE, _compile: bool = False,
) -> BlockMask:  # fmt: skip
    """A mask for `flex_attention`.

    Differs from PyTorch: whole blocks that it hides are computed all the same.
    """
    return BlockMask(mask_mod, (Q_LEN, KV_LEN), (B or 1, H or 1, Q_LEN, KV_LEN))


def flex_attention(
    query: Tensor, key: Tensor, value: Tensor, score_mod: Callable | None = None,
    block_mask: BlockMask | None = None, scale: float | None = None, enable_gqa: bool = False,
    return_lse: bool = False, kernel_options: Any = None, *, return_aux: AuxRequest | None = None,
) -> Any:  # fmt: skip
    """Attention whose scores and mask are functions of positions, see the top of this file.

    Args:
        enable_gqa: whether several heads of queries share a head of keys and values.
        return_lse: also give the logarithm of the sum of the exponentials.

    Example:
        >>> from kuai.nn.attention.flex_attention import flex_attention
        >>> x = kuai.eye(2).reshape(1, 1, 2, 2)
        >>> causal = lambda score, b, h, i, j: kuai.where(i >= j, score, -float("inf"))
        >>> flex_attention(x, x, x, causal)
        tensor([[[[1.0000, 0.0000],
                  [0.3302, 0.6698]]]])
    """
    if enable_gqa and key.shape[1] != query.shape[1]:
        times = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(times, dim=1) for x in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query @ key.transpose(-2, -1)) * scale  # (B, H, L, S)
    places = _positions(*scores.shape, query.device)
    if score_mod is not None:
        scores = score_mod(scores, *places)
    if block_mask is not None:
        scores = where(block_mask.mask_mod(*places), scores, -math.inf)
    lse = logsumexp(scores, -1, keepdim=True)
    shares = where(lse == -math.inf, 0.0, (scores - lse).exp())  # rows that see nothing give zero
    out = shares.to(value.dtype) @ value
    if return_aux is not None:
        largest = scores.amax(-1) if return_aux.max_scores else None
        return out, AuxOutput(lse.squeeze(-1) if return_aux.lse else None, largest)
    return (out, lse.squeeze(-1)) if return_lse else out
