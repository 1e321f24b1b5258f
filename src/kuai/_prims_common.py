"""`kuai._prims_common`: small helpers of PyTorch's that packages use."""

import warnings

from kuai.precision import (
    are_deterministic_algorithms_enabled,
    is_deterministic_algorithms_warn_only_enabled,
)

__all__ = ["alert_not_deterministic", "is_float_dtype", "is_integer_dtype"]


def alert_not_deterministic(caller: str) -> None:
    """An error, or a warning, where results are to repeat and those of `caller` may not."""
    if not are_deterministic_algorithms_enabled():
        return
    text = f"{caller} does not have a deterministic implementation"
    if not is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(f"{text}, but you set 'torch.use_deterministic_algorithms(True)'.")
    warnings.warn(text, stacklevel=2)


def is_float_dtype(dtype) -> bool:
    """Whether a dtype is one of floating point numbers.

    Example:
        >>> kuai._prims_common.is_float_dtype(kuai.float16)
        True
    """
    return dtype.is_floating_point


def is_integer_dtype(dtype) -> bool:
    """Whether a dtype is one of whole numbers."""
    return not (dtype.is_floating_point or dtype.is_complex or dtype.name == "bool")


def is_contiguous_or_false(a) -> bool:
    """Whether a tensor is contiguous."""
    return a.is_contiguous()
