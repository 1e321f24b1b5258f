"""`kuai.cpu`: the processor as a device, with the names that other devices have."""

from typing import Any

from kuai.cpu import amp as amp
from kuai.engine.tensor import devices
from kuai.streams import Stream, StreamContext, stream

__all__ = [
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]


def is_available() -> bool:
    """Yes.

    Example:
        >>> kuai.cpu.is_available(), kuai.cpu.current_device()
        (True, 'cpu')
    """
    return True


is_initialized = is_available


def device_count() -> int:
    """How many host devices there are: one, unless JAX was told otherwise."""
    return devices.device_count("cpu")


def current_device() -> str:
    """`cpu`."""
    return "cpu"


def set_device(device: Any) -> None:
    """Does nothing, as in PyTorch."""


def current_stream(device: Any = None) -> Stream:
    """The only stream."""
    return Stream("cpu")


def synchronize(device: Any = None) -> None:
    """Wait until everything that was asked for has been done."""
    devices.wait_for("cpu")
