"""Signatures that are worked out when somebody reads them: making one costs more than an operation.

`inspect` wants a `Signature` where a function says what its own is, and most are never read.
"""

import inspect
from collections.abc import Callable

__all__ = ["LateSignature"]


class LateSignature(inspect.Signature):
    """A function's parameters without the first ones, found when they are first read.

    Example:
        >>> print(LateSignature.of(lambda key, shape, scale=1.0: None, 1))
        (shape, scale=1.0)
    """

    __slots__ = ("_function", "_skipped")

    @classmethod
    def of(cls, function: Callable, skipped: int) -> "LateSignature":
        """The signature of `function` without its first `skipped` parameters."""
        signature = cls.__new__(cls)
        signature._function, signature._skipped = function, skipped
        return signature

    def __getattr__(self, name):
        """Fill the slots of `Signature`, which are empty until one of them is read."""
        if name not in inspect.Signature.__slots__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        parameters = inspect.signature(self._function).parameters.values()
        inspect.Signature.__init__(self, list(parameters)[self._skipped :])
        return getattr(self, name)
