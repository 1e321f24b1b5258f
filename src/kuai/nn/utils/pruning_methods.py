"""Ways of pruning: what they keep of a tensor."""

from __future__ import annotations

import numbers

from kuai.nn.utils.pruning import BasePruningMethod
from kuai.ops.array.creation import zeros_like
from kuai.ops.array.random_values import rand, rand_like

__all__ = [
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "RandomStructured",
    "RandomUnstructured",
]


# Amounts ------------------------------------------------------------------------------------------


def _check_amount(amount):
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    is_count = isinstance(amount, numbers.Integral)
    if amount < 0 or (not is_count and float(amount) > 1.0):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _count(amount, size):
    """How many of so many an amount is."""
    count = int(amount) if isinstance(amount, numbers.Integral) else round(amount * size)
    if count > size:
        raise ValueError(
            f"amount={count} should be smaller than the number of parameters to prune={size}"
        )
    return count


def _check_structured(t, dim):
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.ndim} dims"
        )
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _without_smallest(scores, amount, mask):
    """The mask without the elements of the smallest scores."""
    count, mask = _count(amount, scores.numel()), mask.clone()
    if count:
        mask.view(-1)[scores.reshape(-1).topk(count, largest=False).indices] = 0
    return mask


def _slices_only(t, dim, kept, mask):
    """The mask without the slices along `dim` that are not kept."""
    chosen = zeros_like(t)
    chosen[(slice(None),) * (dim % t.ndim) + (kept,)] = 1
    return chosen * mask.to(chosen.dtype)


# The methods --------------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing, but makes mask and original."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask

    @classmethod
    def apply(cls, module, name):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Prunes elements at random: a number of them, or a part."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        return _without_smallest(rand_like(t), self.amount, default_mask)

    @classmethod
    def apply(cls, module, name, amount):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """Prunes the elements of the smallest absolute values."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        return _without_smallest(t.abs(), self.amount, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, module, name, amount, importance_scores=None
    ):
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class RandomStructured(BasePruningMethod):
    """Prunes slices along a dimension at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        _check_amount(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t, default_mask):
        _check_structured(t, self.dim)
        size = t.shape[self.dim]
        count = _count(self.amount, size)
        if count == 0:
            return default_mask
        kept = rand(size, device=t.device).argsort()[count:]
        return _slices_only(t, self.dim, kept, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, module, name, amount, dim=-1
    ):
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(BasePruningMethod):
    """Prunes the slices along a dimension that have the smallest n-norm."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, n, dim=-1):
        _check_amount(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t, default_mask):
        _check_structured(t, self.dim)
        size = t.shape[self.dim]
        count = _count(self.amount, size)
        if count == 0:
            return default_mask
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        kept = t.norm(self.n, others).topk(size - count).indices
        return _slices_only(t, self.dim, kept, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, module, name, amount, n, dim, importance_scores=None
    ):
        options = dict(amount=amount, n=n, dim=dim)
        return super().apply(module, name, importance_scores=importance_scores, **options)


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask that is given."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)

    @classmethod
    def apply(cls, module, name, mask):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().apply(module, name, mask=mask)
