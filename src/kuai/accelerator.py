"""`kuai.accelerator`: the accelerator of this process, whatever its kind: a GPU or a TPU."""

from typing import Any

from kuai.engine.tensor import devices
from kuai.engine.tensor.devices import device
from kuai.ops.native.library import give_back_allocations
from kuai.streams import Stream

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]

_KINDS = ("cuda", "tpu")


def _kind() -> str | None:
    return next((kind for kind in _KINDS if devices.device_count(kind)), None)


def is_available() -> bool:
    """Whether there is one.

    Example:
        >>> kuai.accelerator.is_available() == (kuai.accelerator.device_count() > 0)
        True
    """
    return _kind() is not None


def device_count() -> int:
    """How many there are."""
    kind = _kind()
    return 0 if kind is None else devices.device_count(kind)


def current_accelerator(check_available: bool = False) -> device | None:
    """Its kind as a device without a number, or None."""
    kind = _kind()
    return None if kind is None else device(kind)


def current_device_index() -> int:
    """The number of the one that is used where none is named: 0."""
    _needed()
    return 0


current_device_idx = current_device_index


def set_device_index(device, /) -> None:
    """Choose the one that is used where none is named; only 0 can be chosen."""
    _needed()
    index = devices.device(device).index if not isinstance(device, int) else device
    if index:
        raise RuntimeError(f"name the device instead: kuai.set_default_device('{_kind()}:{index}')")


set_device_idx = set_device_index


def synchronize(device=None, /) -> None:
    """Wait until everything that was asked of it has been done."""
    devices.wait_for(_needed() if device is None else device)


def current_stream(device=None, /) -> Stream:
    """The stream of work: XLA has one for each device."""
    return Stream(_needed() if device is None else device)


def set_stream(stream, /) -> None:
    """Does nothing: XLA orders the work itself."""


def empty_cache() -> None:
    """Give back the memory of the CPU that is kept for the next program; a GPU's is XLA's."""
    give_back_allocations()


class device_index:
    """A context in which another number is meant; only 0 can be."""

    def __init__(self, device: int | None, /):
        self.device = device

    def __enter__(self):
        if self.device:
            set_device_index(self.device)
        return self

    def __exit__(self, *error):
        pass


def _needed() -> str:
    kind = _kind()
    if kind is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return kind


# Memory -------------------------------------------------------------------------------------------


def _stats(device_index: Any = None) -> dict[str, int]:
    _needed()
    kind = _kind()
    where = kind if device_index is None else device(device_index)
    return devices.jax_device(where).memory_stats() or {}


def memory_allocated(device_index: Any = None, /) -> int:
    """How many bytes of its memory are in use.

    Raises:
        RuntimeError: there is no accelerator.
    """
    return _stats(device_index).get("bytes_in_use", 0)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """How many bytes of its memory have been in use at most."""
    return _stats(device_index).get("peak_bytes_in_use", 0)


def memory_reserved(device_index: Any = None, /) -> int:
    """How many bytes JAX has taken from it."""
    return _stats(device_index).get("bytes_reserved", 0)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """How many bytes JAX may take from it."""
    return _stats(device_index).get("bytes_reservable_limit", 0)


def memory_stats(device_index: Any = None, /) -> dict[str, int]:
    """What JAX knows of its memory."""
    return dict(_stats(device_index))


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Bytes that are free and all bytes, as far as JAX may use them."""
    found = _stats(device_index)
    total = found.get("bytes_limit", 0)
    return total - found.get("bytes_in_use", 0), total


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Changes nothing: JAX counts from the start of the process."""
    _needed()


reset_accumulated_memory_stats = reset_peak_memory_stats
