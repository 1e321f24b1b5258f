"""`kuai.backends.cudnn`: switches that programs set; XLA chooses kernels and tunes them itself.

Two have an effect: `allow_tf32`, whether a GPU computes convolutions and LSTMs of float32 in
TensorFloat32, and `enabled`, whether its LSTMs are cuDNN's, which have a first derivative only.
"""

import contextlib
import sys
import types

from kuai.engine.tensor import devices
from kuai.engine.tensor.acceleration import (
    allow_tensor_float,
    enable_cudnn,
    is_cudnn_enabled,
    is_tensor_float_allowed,
)

__all__ = [
    "allow_tf32",
    "benchmark",
    "deterministic",
    "enabled",
    "flags",
    "is_available",
    "version",
]

enabled: bool  # properties of this module, see below
allow_tf32: bool
benchmark = False
benchmark_limit = 10
deterministic = False
fp32_precision = "none"
conv = types.SimpleNamespace(fp32_precision="tf32")
rnn = types.SimpleNamespace(fp32_precision="tf32")


def is_available() -> bool:
    """Whether there is a GPU, whose libraries XLA may use."""
    return devices.device_count("cuda") > 0


def version() -> int | None:
    """None: cuDNN is JAX's affair.

    Example:
        >>> kuai.backends.cudnn.version() is None
        True
    """
    return None


def is_acceptable(tensor) -> bool:
    """Whether a tensor lies on a GPU."""
    return tensor.device.type == "cuda"


@contextlib.contextmanager
def flags(
    enabled=False,
    benchmark=False,
    benchmark_limit=10,
    deterministic=False,
    allow_tf32=True,
    fp32_precision="none",
):
    """A context in which the switches have other values."""
    given = dict(locals())
    before = {name: getattr(_this, name) for name in given}
    _set(given)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict) -> None:
    for name, value in values.items():
        setattr(_this, name, value)


class _Switches(types.ModuleType):
    """This module: to set one of its names is all that a program does with it."""

    @property
    def enabled(self) -> bool:
        """Whether a GPU's LSTMs are cuDNN's."""
        return is_cudnn_enabled()

    @enabled.setter
    def enabled(self, value: bool) -> None:
        enable_cudnn(value)

    @property
    def allow_tf32(self) -> bool:
        """Whether a GPU convolves float32 in TensorFloat32."""
        return is_tensor_float_allowed()

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        allow_tensor_float(allowed)


_this = sys.modules[__name__]
_this.__class__ = _Switches
