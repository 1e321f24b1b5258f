"""Questions that programs ask `torch` itself: about autocast, devices, objects."""

import importlib
from typing import Any

from kuai.engine.op.autocast import get_autocast_dtype, is_autocast_enabled
from kuai.engine.tensor import Tensor, devices
from kuai.storage import TypedStorage, UntypedStorage

__all__ = [
    "get_autocast_cpu_dtype",
    "get_autocast_gpu_dtype",
    "get_device_module",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_storage",
    "is_vulkan_available",
    "is_warn_always_enabled",
    "typename",
]


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU.

    Example:
        >>> with kuai.autocast("cpu"):
        ...     kuai.is_autocast_cpu_enabled()
        True
    """
    return is_autocast_enabled("cpu")


def get_autocast_gpu_dtype():
    """The lower precision that autocast uses on GPUs."""
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype():
    """The lower precision that autocast uses on the CPU."""
    return get_autocast_dtype("cpu")


def is_autocast_cache_enabled() -> bool:
    """Whether autocast keeps cast weights: XLA does it inside of a program."""
    return True


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Does nothing: XLA casts a weight once in a program."""


def clear_autocast_cache() -> None:
    """Does nothing: nothing is kept."""


def get_device_module(device: Any = None) -> Any:
    """The module for a kind of device: `kuai.cuda`, `kuai.mps`, …

    Example:
        >>> kuai.get_device_module("cuda") is kuai.cuda
        True
    """
    kind = devices.device(devices.get_default_device() if device is None else device).type
    return importlib.import_module(f"kuai.{kind}")


def typename(obj: Any, /) -> str:
    """What the type of an object is called.

    Example:
        >>> kuai.typename(kuai.ones(1)), kuai.typename([])
        ('torch.FloatTensor', 'builtins.list')
    """
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"


def is_storage(obj: Any, /) -> bool:
    """Whether it is a storage."""
    return isinstance(obj, (TypedStorage, UntypedStorage))


def is_vulkan_available() -> bool:
    """Whether there is a device for Vulkan: no."""
    return False


def is_warn_always_enabled() -> bool:
    """Whether warnings come more than once: as Python's filters say."""
    return False
