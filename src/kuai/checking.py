"""`kuai._assert`, `kuai._check`: conditions of library code, with PyTorch's error types."""

from kuai.engine.tensor import Tensor, overriding

__all__ = [
    "_assert",
    "_assert_async",
    "_check",
    "_check_index",
    "_check_is_size",
    "_check_not_implemented",
    "_check_tensor_all",
    "_check_type",
    "_check_value",
    "_check_with",
]


def _assert(condition, message):
    """`assert`, as a function.

    Example:
        >>> kuai._assert(False, "no")
        Traceback (most recent call last):
        AssertionError: no
    """
    if overriding.overrides(type(condition)):
        return overriding.dispatch(_assert, [condition], (condition, message), {})
    if not condition:
        raise AssertionError(message)


def _assert_async(condition, message=None):
    """Raise unless the tensor is true."""
    if not bool(condition):
        raise RuntimeError(message or "Expected Tensor with single nonzero value, but got zero")


def _check_with(error_type, condition, message=None):
    """Raise an error of a type unless the condition holds.

    Args:
        message: a function that gives the text.
    """
    if isinstance(condition, Tensor):
        raise TypeError(f"cond must be a bool, but got {type(condition)}")
    if not condition:
        text = "Expected cond to be True, but got False. (Could this error message be improved? If "
        text += "so, please report an enhancement request to PyTorch.)"
        raise error_type(text if message is None else str(message()))


def _check(cond, message=None):
    """Raise a RuntimeError unless the condition holds.

    Example:
        >>> kuai._check(1 > 2, lambda: "one is not two")
        Traceback (most recent call last):
        RuntimeError: one is not two
    """
    _check_with(RuntimeError, cond, message)


def _check_index(cond, message=None):
    """The same with an IndexError."""
    _check_with(IndexError, cond, message)


def _check_value(cond, message=None):
    """The same with a ValueError."""
    _check_with(ValueError, cond, message)


def _check_type(cond, message=None):
    """The same with a TypeError."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond, message=None):
    """The same with a NotImplementedError."""
    _check_with(NotImplementedError, cond, message)


def _check_is_size(i, message=None, *, max=None):
    """Raise unless the number can be a size: not negative, and at most `max`."""
    _check(i >= 0, message)
    if max is not None:
        _check(i <= max, message)


def _check_tensor_all(cond, message=None):
    """Raise unless all elements are true."""
    _check(bool(cond.all()), message)
