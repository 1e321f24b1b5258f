"""What code that was copied from PyTorch's calls, under the names that it has there.

The names are found in `nn.functional` (attention), `nn.init` and `nn.modules.utils`.
"""

from kuai.engine.tensor import Tensor
from kuai.nn import _reduction, init
from kuai.ops.nn.multi_head_attention import canonical_mask
from kuai.ops.table import FUNCTIONAL

__all__ = ["linear"]

linear = FUNCTIONAL["linear"]
_Reduction = _reduction


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
    other = other_type if check_other else None
    return canonical_mask(mask, mask_name, target_type, other, other_name)


# Sizes and first values --------------------------------------------------------------------------


def _list_with_default(out_size, defaults):
    """The sizes, with those of `defaults`, counted from its end, in place of None.

    Example:
        >>> kuai.nn.modules.utils._list_with_default([None, 3], [8, 5, 6])
        [5, 3]
    """
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    last = defaults[-len(out_size) :]
    return [size if size is not None else other for size, other in zip(out_size, last, strict=True)]


def _no_grad_uniform_(tensor, a, b, generator=None):
    return init.uniform_(tensor, a, b, generator)


def _no_grad_normal_(tensor, mean, std, generator=None):
    return init.normal_(tensor, mean, std, generator)


def _no_grad_trunc_normal_(tensor, mean, std, a, b, generator=None):
    return init.trunc_normal_(tensor, mean, std, a, b, generator)


def _no_grad_fill_(tensor, val):
    return init.constant_(tensor, val)


def _no_grad_zero_(tensor):
    return init.constant_(tensor, 0.0)
