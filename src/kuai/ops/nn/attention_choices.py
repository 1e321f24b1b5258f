"""What else `scaled_dot_product_attention` takes: causal masks by name, and a choice of kernels."""

from __future__ import annotations

import enum
import warnings

import jax.numpy as jnp

from kuai.engine.tensor import Tensor, from_array

__all__ = [
    "CausalBias",
    "CausalVariant",
    "SDPBackend",
    "chosen",
    "enabled_backends",
    "may_be_fused",
    "without_bias",
]


class SDPBackend(enum.Enum):
    """The kernels that PyTorch has for attention; here XLA makes one for the device.

    Example:
        >>> kuai.nn.attention.SDPBackend.MATH
        <SDPBackend.MATH: 0>
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __int__(self) -> int:
        return self.value


_REAL = [backend for backend in SDPBackend if backend is not SDPBackend.ERROR]
chosen: list[list[SDPBackend]] = [_REAL]  # the innermost choice is the last


def enabled_backends() -> list[SDPBackend]:
    """What the innermost `sdpa_kernel` allows; all of them outside."""
    return chosen[-1]


_FUSED = {SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION}


def may_be_fused(query: Tensor) -> bool:
    """Whether attention for this query may be one of a GPU's own kernels."""
    return query.device.type == "cuda" and not _FUSED.isdisjoint(enabled_backends())


class CausalVariant(enum.IntEnum):
    """Whether a causal mask is aligned to the upper left or to the lower right corner.

    For 3 queries and 4 keys these are

        1 0 0 0        1 1 0 0
        1 1 0 0   and  1 1 1 0
        1 1 1 0        1 1 1 1
    """

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias:
    """A causal mask, to be given to `scaled_dot_product_attention` as `attn_mask`.

    Args:
        variant: a `CausalVariant`.
        seq_len_q, seq_len_kv: the numbers of queries and keys.

    Example:
        >>> bias = kuai.nn.attention.bias.causal_lower_right(2, 3)
        >>> q, k = kuai.ones(1, 2, 4), kuai.arange(12.0).reshape(1, 3, 4)
        >>> kuai.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=bias).shape
        torch.Size([1, 2, 4])
    """

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv
        if seq_len_q > seq_len_kv and variant is CausalVariant.LOWER_RIGHT:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q > "
                "seq_len_kv!",
                stacklevel=2,
            )

    @property
    def is_square(self) -> bool:
        """Whether both variants are the same."""
        return self.seq_len_q == self.seq_len_kv

    def _materialize(self, device=None) -> Tensor:
        """The mask as a tensor, True where attention is allowed."""
        is_low = self.variant is CausalVariant.LOWER_RIGHT
        offset = self.seq_len_kv - self.seq_len_q if is_low else 0
        mask = jnp.tri(self.seq_len_q, self.seq_len_kv, offset, dtype=bool)
        return from_array(mask, device)

    def __repr__(self) -> str:
        return repr(self._materialize())


def without_bias(attn_mask, is_causal: bool, device) -> tuple:
    """A causal mask by name as the arguments `attn_mask` and `is_causal`."""
    if not isinstance(attn_mask, CausalBias):
        return attn_mask, is_causal
    if is_causal:
        raise ValueError("CausalBias should not be used with causal=True")
    if attn_mask.is_square or attn_mask.variant is CausalVariant.UPPER_LEFT:
        return None, True
    return attn_mask._materialize(device), False
