"""`kuai.xpu`: Intel's GPUs, of which JAX knows none here."""

from typing import Any

from kuai.standin.refusing import refused, refused_class

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """No.

    Example:
        >>> kuai.xpu.is_available()
        False
    """
    return False


def device_count() -> int:
    """None of them."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """No."""
    return False


def empty_cache() -> None:
    """Does nothing."""


def manual_seed(seed: int) -> None:
    """Does nothing: there is no such device to draw numbers on."""


manual_seed_all = manual_seed

_NONE = "there is no XPU device", "Ask kuai.xpu.is_available() first"
current_device = refused("torch.xpu.current_device", *_NONE)
set_device = refused("torch.xpu.set_device", *_NONE)
synchronize = refused("torch.xpu.synchronize", *_NONE)
current_stream = refused("torch.xpu.current_stream", *_NONE)
get_device_name = refused("torch.xpu.get_device_name", *_NONE)
get_device_properties = refused("torch.xpu.get_device_properties", *_NONE)
get_rng_state = refused("torch.xpu.get_rng_state", *_NONE)
set_rng_state = refused("torch.xpu.set_rng_state", *_NONE)


def memory_allocated(device: Any = None) -> int:
    """0: there is no such memory.

    Example:
        >>> kuai.xpu.memory_allocated(), kuai.xpu.memory_stats()
        (0, {})
    """
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def memory_stats(device: Any = None) -> dict[str, int]:
    """Nothing is known of such memory."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """Does nothing."""


reset_accumulated_memory_stats = reset_peak_memory_stats


def is_initialized() -> bool:
    """No."""
    return False


def init() -> None:
    """Does nothing."""


def get_rng_state_all() -> list:
    """The states of no generators."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Does nothing."""


def seed() -> None:
    """Does nothing."""


seed_all = seed
mem_get_info = refused("torch.xpu.mem_get_info", *_NONE)
get_device_capability = refused("torch.xpu.get_device_capability", *_NONE)
set_stream = refused("torch.xpu.set_stream", *_NONE)
initial_seed = refused("torch.xpu.initial_seed", *_NONE)
Event = refused_class("torch.xpu.Event", *_NONE)
Stream = refused_class("torch.xpu.Stream", *_NONE)
