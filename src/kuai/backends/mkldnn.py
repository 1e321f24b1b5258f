"""`kuai.backends.mkldnn`: oneDNN, which convolutions on a CPU use; the name is PyTorch's.

Of its switches `enabled` has an effect.
"""

import contextlib
import sys
import types

from kuai.engine.tensor.acceleration import accelerate, accelerated, is_accelerated
from kuai.ops.native import library

__all__ = [
    "allow_tf32",
    "deterministic",
    "enabled",
    "flags",
    "fp32_precision",
    "is_available",
    "set_flags",
    "verbose",
]

enabled: bool  # a property of this module, see below
deterministic = False
allow_tf32 = True
fp32_precision = "none"
matmul = types.SimpleNamespace(fp32_precision="none")
conv = types.SimpleNamespace(fp32_precision="none")
rnn = types.SimpleNamespace(fp32_precision="none")
VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2


def is_available() -> bool:
    """Whether convolutions on a CPU are computed by oneDNN.

    It takes a C++ compiler when Kuai is installed; `KUAI_ONEDNN=0` in the environment switches it
    off.

    Example:
        >>> kuai.backends.mkldnn.is_available() in (True, False)
        True
    """
    return library.is_available()


def flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
):
    """A context in which oneDNN is used, or is not, in this thread.

    Example:
        >>> with kuai.backends.mkldnn.flags(enabled=False):
        ...     y = kuai.conv2d(kuai.ones(1, 1, 3, 3), kuai.ones(1, 1, 2, 2))

    Differs from PyTorch: the other three change nothing, because results are the same from run to
    run on one machine, and are never computed in fewer bits.
    """
    return accelerated(enabled)


def set_flags(
    _enabled: bool | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
) -> tuple:
    """Set the switches that are given; what they were before.

    Example:
        >>> before = kuai.backends.mkldnn.set_flags(False)
        >>> kuai.backends.mkldnn.enabled
        False
        >>> kuai.backends.mkldnn.set_flags(*before)[0], kuai.backends.mkldnn.enabled
        (False, True)
    """
    names = ("enabled", "deterministic", "allow_tf32", "fp32_precision")
    before = tuple(getattr(_this, name) for name in names)
    given = (_enabled, _deterministic, _allow_tf32, _fp32_precision)
    for name, value in zip(names, given, strict=True):
        if value is not None:
            setattr(_this, name, value)
    return before


@contextlib.contextmanager
def verbose(level: int):
    """A context that changes nothing: oneDNN is not asked to tell what it does."""
    yield


class _Switches(types.ModuleType):
    """This module: to set one of its names is all that a program does with it."""

    @property
    def enabled(self) -> bool:
        """Whether libraries besides XLA may be used."""
        return is_accelerated()

    @enabled.setter
    def enabled(self, value: bool) -> None:
        accelerate(value)


_this = sys.modules[__name__]
_this.__class__ = _Switches
