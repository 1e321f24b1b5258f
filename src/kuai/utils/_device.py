"""`kuai.utils._device`: a default device as a context."""

import functools
from typing import Any

from kuai.engine.tensor import devices

__all__ = ["DeviceContext", "device_decorator", "set_device"]


class DeviceContext:
    """A context in which tensors are made on a device.

    Example:
        >>> with kuai.utils._device.DeviceContext("cpu"):
        ...     x = kuai.ones(1)
    """

    def __init__(self, device: Any):
        self.device = devices.device(device)

    def __enter__(self):
        self.device.__enter__()
        return self

    def __exit__(self, *error):
        self.device.__exit__(*error)


def device_decorator(device: Any, func: Any) -> Any:
    """A function that makes its tensors on a device."""

    @functools.wraps(func)
    def on_device(*args, **kwargs):
        with DeviceContext(device):
            return func(*args, **kwargs)

    return on_device


def set_device(device: Any) -> Any:
    """A decorator of functions that are to make their tensors on a device.

    Example:
        >>> kuai.utils._device.set_device("cpu")(lambda: kuai.ones(1).device)()
        device(type='cpu')
    """
    return functools.partial(device_decorator, device)
