"""What attention that was copied from PyTorch's calls in `nn.functional`, under its names there."""

import warnings

from kuai.engine.tensor import Tensor
from kuai.nn import _reduction as _Reduction
from kuai.ops.array.creation import zeros_like
from kuai.ops.table import FUNCTIONAL

__all__ = ["_Reduction", "_canonical_mask", "_in_projection", "_in_projection_packed"]

linear = FUNCTIONAL["linear"]


def _in_projection(q, k, v, w_q, w_k, w_v, b_q=None, b_k=None, b_v=None):
    """Query, key and value, each by its own linear map."""
    return linear(q, w_q, b_q), linear(k, w_k, b_k), linear(v, w_v, b_v)


def _in_projection_packed(q, k, v, w, b=None):
    """Query, key and value, by three linear maps whose weights lie one above the other."""
    biases = (None, None, None) if b is None else b.chunk(3)
    return [linear(x, *part) for x, *part in zip((q, k, v), w.chunk(3), biases, strict=True)]


def _none_or_dtype(input):
    """The dtype of a tensor, None for None."""
    if input is not None and not isinstance(input, Tensor):
        raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")
    return None if input is None else input.dtype


def _canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """A mask to be added to scores: a bool one becomes -inf where it is True."""
    if mask is None:
        return None
    if mask.dtype.name != "bool" and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. "
            "Use same type for both instead.",
            stacklevel=2,
        )
    if mask.is_floating_point():
        return mask
    return zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))
