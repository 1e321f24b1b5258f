"""`kuai.cuda`: what PyTorch programs ask about GPUs."""

import jax

from kuai.engine.tensor import devices, randomness
from kuai.engine.tensor.devices import device

__all__ = [
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "set_device",
    "synchronize",
]


def device_count() -> int:
    """How many GPUs this process can use.

    Example:
        >>> kuai.cuda.device_count() >= 0
        True
    """
    return devices.device_count("cuda")


def is_available() -> bool:
    """Whether there is a GPU.

    Example:
        >>> kuai.cuda.is_available() == (kuai.cuda.device_count() > 0)
        True
    """
    return device_count() > 0


def current_device() -> int:
    """The number of the GPU that `'cuda'` without a number means."""
    devices.jax_device("cuda")  # raises if there is none
    return 0


def set_device(device) -> None:
    """Choose the GPU that `'cuda'` without a number means; only 0 can be chosen.

    Differs from PyTorch: name the device instead, or use `kuai.set_default_device`.
    """
    index = devices.device(device).index or 0
    if index != current_device():
        raise RuntimeError(f"name the device instead: kuai.set_default_device('cuda:{index}')")


def get_device_name(device=None) -> str:
    """What the maker calls a GPU."""
    return devices.jax_device("cuda" if device is None else device).device_kind


def synchronize(device=None) -> None:
    """Wait until everything that was asked of a GPU has been done."""
    place = devices.jax_device("cuda" if device is None else device)
    jax.device_put(0, place).block_until_ready()


def empty_cache() -> None:
    """Does nothing: XLA manages its memory itself."""


def memory_allocated(device=None) -> int:
    """How many bytes on a GPU are in use."""
    return _memory(device, "bytes_in_use")


def max_memory_allocated(device=None) -> int:
    """How many bytes on a GPU have been in use at most."""
    return _memory(device, "peak_bytes_in_use")


def _memory(device, what) -> int:
    found = devices.jax_device("cuda" if device is None else device).memory_stats()
    return (found or {}).get(what, 0)


def manual_seed(seed: int) -> None:
    """Start the random numbers anew from `seed`; the generator is the same for all devices."""
    randomness.manual_seed(seed)


manual_seed_all = manual_seed
