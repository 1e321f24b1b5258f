"""Questions that programs ask `torch` itself: about autocast, devices, objects."""

import importlib
from typing import Any

from kuai.engine.op.autocast import (
    get_autocast_dtype,
    is_autocast_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)
from kuai.engine.tensor import Tensor, devices
from kuai.engine.tensor.warning_once import is_always, set_always
from kuai.storage import TypedStorage, UntypedStorage

__all__ = [
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "compiled_with_cxx11_abi",
    "get_autocast_cpu_dtype",
    "get_autocast_gpu_dtype",
    "get_device_module",
    "has_lapack",
    "has_mkl",
    "has_openmp",
    "has_spectral",
    "is_distributed",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_storage",
    "is_vulkan_available",
    "is_warn_always_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_gpu_dtype",
    "set_warn_always",
    "typename",
]


#: What PyTorch may have been built with: XLA brings LAPACK and Fourier transforms along.
has_lapack, has_spectral, has_mkl, has_openmp = True, True, False, False


def is_distributed(input: Tensor) -> bool:
    """Whether a tensor lies in several processes: no."""
    return False


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


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Switch autocast on or off for the CPU."""
    set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """Choose the lower precision that autocast uses on the CPU."""
    set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """Choose the lower precision that autocast uses on GPUs."""
    set_autocast_dtype("cuda", dtype)


_nesting = [0]


def autocast_increment_nesting() -> int:
    """Count one more autocast inside of others; for code that has a context of its own."""
    _nesting[0] += 1
    return _nesting[0]


def autocast_decrement_nesting() -> int:
    """Count one less."""
    _nesting[0] -= 1
    return _nesting[0]


def compiled_with_cxx11_abi() -> bool:
    """Whether PyTorch's libraries have the newer names of C++: there are none; as on Linux."""
    return True


def set_warn_always(b: bool, /) -> None:
    """Have warnings that come once in a process come each time, or only once again.

    Example:
        >>> kuai.set_warn_always(True)
        >>> kuai.is_warn_always_enabled()
        True
        >>> kuai.set_warn_always(False)
    """
    if type(b) is not bool:
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    set_always(b)


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
    """What a class, a function, or the type of an object is called.

    Example:
        >>> kuai.typename(kuai.ones(1)), kuai.typename([]), kuai.typename(kuai.nn.Linear)
        ('torch.FloatTensor', 'list', 'kuai.nn.modules.linear.Linear')
    """
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") or hasattr(obj, "__name__") else type(obj)
    name = getattr(named, "__qualname__", None) or named.__name__
    module = getattr(named, "__module__", "") or ""
    return name if module in ("", "builtins") else f"{module}.{name}"


def is_storage(obj: Any, /) -> bool:
    """Whether it is a storage."""
    return isinstance(obj, (TypedStorage, UntypedStorage))


def is_vulkan_available() -> bool:
    """Whether there is a device for Vulkan: no."""
    return False


def is_warn_always_enabled() -> bool:
    """Whether `kuai.set_warn_always` has warnings come each time.

    Example:
        >>> kuai.is_warn_always_enabled()
        False
    """
    return is_always()
