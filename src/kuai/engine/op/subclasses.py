"""Subclasses of Tensor: operations on them give the subclass again.

`Tensor.__torch_function__` is what a subclass inherits, or calls through `super()`: it runs the
operation as if all were plain tensors, and makes what comes out a tensor of the subclass.
"""

import contextlib
import sys

from kuai.engine.tensor import Tensor, method, modes, overriding
from kuai.engine.tensor.attributes import own

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "as_subclass"]


class DisableTorchFunctionSubclass(contextlib.ContextDecorator):
    """A context in which no argument is asked for its `__torch_function__`; modes still are."""

    _off = overriding.ARGUMENTS

    def __init__(self):
        self._previous = []

    def __enter__(self):
        self._previous.append(modes.state.overriding_off)
        modes.state.overriding_off = max(self._off, modes.state.overriding_off)
        return self

    def __exit__(self, *_):
        modes.state.overriding_off = self._previous.pop()


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """A context in which nothing is asked for a `__torch_function__`."""

    _off = overriding.EVERYTHING


def _run_plainly(cls, func, types, args=(), kwargs=None):
    """Run the operation, and make the resulting tensors ones of the subclass."""
    if _is_of_the_real_torch(func):
        raise TypeError(
            f"a kuai.Tensor as an argument of PyTorch's own {getattr(func, '__name__', func)}: the "
            "two do not mix. kuai.to_torch(x) makes a torch.Tensor of a kuai.Tensor, "
            "kuai.from_torch(x) the other way round."
        )
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        return _converted(func(*args, **(kwargs or {})), vars(cls).get("_plain", cls))


def _is_of_the_real_torch(func) -> bool:
    """Whether a function is one of PyTorch's, which is in this process as well."""
    real = sys.modules.get("torch")
    if real is None or real.__name__ != "torch":
        return False
    return (getattr(func, "__module__", None) or "torch").partition(".")[0] == "torch"


def _converted(result, cls):
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        return as_subclass(result, cls)
    if isinstance(result, (tuple, list)):
        parts = [_converted(part, cls) for part in result]
        named = hasattr(result, "_fields")
        return type(result)(*parts) if named else type(result)(parts)
    return result


def as_subclass(self, cls) -> Tensor:
    """The same tensor as one of the class `cls`: values, history and storage are shared.

    Example:
        >>> class Metres(kuai.Tensor):
        ...     pass
        >>> length = kuai.ones(2).as_subclass(Metres)
        >>> type(length * 2).__name__
        'Metres'
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass(): argument 'cls' must be a subclass of Tensor, not {cls!r}")
    if self.requires_grad and self.is_leaf:
        self = self.view_as(self)  # gradients arrive at the leaf itself
    made = object.__new__(cls)
    own(made).update(own(self))
    return made


method(classmethod(_run_plainly), name="__torch_function__")
method(as_subclass)
