"""`pin_memory`: what a batch does so that it is copied to an accelerator quickly.

JAX pins the memory that it transfers from, so a tensor stays as it is. What a program's own batches
do in their `pin_memory()` is done.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from kuai.data.containers import mapping_like, sequence_like
from kuai.engine.tensor import devices

__all__ = ["accelerated", "pin_memory", "warn_about_pinning"]


def accelerated() -> bool:
    """Whether there is an accelerator to copy to."""
    return bool(devices.device_count("cuda") or devices.device_count("tpu"))


def warn_about_pinning(device: str) -> None:
    """Say what PyTorch says of `pin_memory=True` that can do nothing."""
    if device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{device}'.",
            stacklevel=4,
        )
    if not accelerated():
        warnings.warn(
            "'pin_memory' argument is set as true but no accelerator is found, then device pinned "
            "memory won't be used.",
            stacklevel=4,
        )


def pin_memory(data: Any, device: Any = None) -> Any:
    """The batch with `pin_memory()` called on whatever in it has such a method.

    Example:
        >>> from kuai.utils.data._utils.pin_memory import pin_memory
        >>> pin_memory({"x": kuai.arange(2), "name": "a"})
        {'x': tensor([0, 1]), 'name': 'a'}
    """
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return mapping_like(data, {key: pin_memory(part, device) for key, part in data.items()})
    if isinstance(data, tuple):
        parts = [pin_memory(part, device) for part in data]
        return type(data)(*parts) if hasattr(data, "_fields") else type(data)(parts)
    if isinstance(data, Sequence):
        return sequence_like(data, [pin_memory(part, device) for part in data])
    return data
