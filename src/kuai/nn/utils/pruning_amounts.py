"""How much is pruned, and what is kept: checks, counts and masks."""

from __future__ import annotations

import numbers

from kuai.ops.array.creation import zeros_like

__all__ = ["check_amount", "check_structured", "count_of", "slices_only", "without_smallest"]


def check_amount(amount):
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    is_count = isinstance(amount, numbers.Integral)
    if amount < 0 or (not is_count and float(amount) > 1.0):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def count_of(amount, size):
    """How many of so many an amount is."""
    count = int(amount) if isinstance(amount, numbers.Integral) else round(amount * size)
    if count > size:
        raise ValueError(
            f"amount={count} should be smaller than the number of parameters to prune={size}"
        )
    return count


def check_structured(t, dim):
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.ndim} dims"
        )
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def without_smallest(scores, amount, mask):
    """The mask without the elements of the smallest scores."""
    count, mask = count_of(amount, scores.numel()), mask.clone()
    if count:
        mask.view(-1)[scores.reshape(-1).topk(count, largest=False).indices] = 0
    return mask


def slices_only(t, dim, kept, mask):
    """The mask without the slices along `dim` that are not kept."""
    chosen = zeros_like(t)
    chosen[(slice(None),) * (dim % t.ndim) + (kept,)] = 1
    return chosen * mask.to(chosen.dtype)
