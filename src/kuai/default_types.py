"""`kuai.set_default_tensor_type`: the default dtype and device by an older name."""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import devices, dtypes
from kuai.engine.tensor.warning_once import warn_once

__all__ = ["set_default_tensor_type"]

_KINDS = {
    "BFloat16Tensor": dtypes.bfloat16,
    "DoubleTensor": dtypes.float64,
    "FloatTensor": dtypes.float32,
    "HalfTensor": dtypes.float16,
}


def set_default_tensor_type(t: Any, /) -> None:
    """Make floats of this kind from now on.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     kuai.set_default_tensor_type("torch.DoubleTensor")
        >>> kuai.ones(1).dtype
        torch.float64
        >>> kuai.set_default_dtype(kuai.float32)
    """
    warn_once(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
        stacklevel=2,
    )
    name = t if isinstance(t, str) else f"torch.{getattr(t, '__name__', t)}"
    if (kind_of_device := getattr(t, "place", "cpu")) != "cpu":
        name = name.replace("torch.", f"torch.{kind_of_device}.", 1)
    place, _, kind = name.removeprefix("torch.").rpartition(".")
    if not kind.endswith("Tensor") or place not in ("", "cuda"):
        raise TypeError(
            "invalid type object: only floating-point types are supported as the default type"
        )
    if kind not in _KINDS:
        raise TypeError("only floating-point types are supported as the default type")
    if place and not devices.device_count(place):
        raise TypeError(f"type {name} not available. Torch not compiled with CUDA enabled.")
    dtypes.set_default_dtype(_KINDS[kind])
    devices.set_default_device(place or "cpu")
