"""`kuai.xpu`: Intel's GPUs, of which JAX knows none here."""

from kuai.standin.refusing import refused

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
memory_allocated = refused("torch.xpu.memory_allocated", *_NONE)
