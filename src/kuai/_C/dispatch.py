"""Keys of PyTorch's dispatcher, for packages that name them when they are imported.

There is no dispatcher here: keys are names, sets of them can be made, and excluding some of them
changes nothing.
"""

import contextlib
import enum

__all__ = ["DispatchKey", "DispatchKeySet", "ExcludeDispatchKeyGuard"]


class DispatchKey(enum.Flag):
    """The names."""

    Undefined = 0
    CPU = enum.auto()
    CUDA = enum.auto()
    XPU = enum.auto()
    MPS = enum.auto()
    Meta = enum.auto()
    QuantizedCPU = enum.auto()
    Python = enum.auto()
    Functionalize = enum.auto()
    ADInplaceOrView = enum.auto()
    AutogradCPU = enum.auto()
    AutogradCUDA = enum.auto()
    AutogradOther = enum.auto()
    AutocastCPU = enum.auto()
    AutocastCUDA = enum.auto()
    AutocastXPU = enum.auto()
    AutocastMPS = enum.auto()
    CompositeImplicitAutograd = enum.auto()
    CompositeExplicitAutograd = enum.auto()


class DispatchKeySet:
    """Several keys.

    Example:
        >>> cpu, cuda = (DispatchKeySet(key) for key in (DispatchKey.CPU, DispatchKey.CUDA))
        >>> (cpu | cuda).has(DispatchKey.CUDA)
        True
    """

    def __init__(self, key: DispatchKey):
        self.keys = key

    def __or__(self, other: "DispatchKeySet") -> "DispatchKeySet":
        return DispatchKeySet(self.keys | other.keys)

    def __and__(self, other: "DispatchKeySet") -> "DispatchKeySet":
        return DispatchKeySet(self.keys & other.keys)

    def __sub__(self, other: "DispatchKeySet") -> "DispatchKeySet":
        return DispatchKeySet(self.keys & ~other.keys)

    def has(self, key: DispatchKey) -> bool:
        """Whether a key is one of them."""
        return key in self.keys


class ExcludeDispatchKeyGuard(contextlib.nullcontext):
    """A context that changes nothing."""

    def __init__(self, keys: DispatchKeySet):
        super().__init__()
