"""Causal masks for `scaled_dot_product_attention`, by the corner that they are aligned to."""

from __future__ import annotations

from kuai.ops.nn.attention_choices import CausalBias, CausalVariant

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


def causal_upper_left(*size: int) -> CausalBias:
    """Query i sees the keys up to i: what `is_causal=True` means.

    Example:
        >>> kuai.nn.attention.bias.causal_upper_left(2, 3)
        tensor([[ True, False, False],
                [ True,  True, False]])
    """
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return CausalBias(CausalVariant.UPPER_LEFT, *size)


def causal_lower_right(*size: int) -> CausalBias:
    """The last query sees all keys, the one before it all but the last, and so on.

    Example:
        >>> kuai.nn.attention.bias.causal_lower_right(2, 3)
        tensor([[ True,  True, False],
                [ True,  True,  True]])
    """
    if len(size) != 2:
        raise AssertionError("causal_lower_right only supports 2D tensors")
    return CausalBias(CausalVariant.LOWER_RIGHT, *size)
