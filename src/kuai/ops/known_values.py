"""What values a tensor has, where looking costs nothing: checks that PyTorch makes before it works.

A program cannot raise an error. So values are looked at only if they are there: they are not
traced, no record has to be run for them, and they lie in the memory of the CPU, where no device has
to be waited for. Where a record becomes a replay, what was looked at is looked at again each time.
Elsewhere `kuai.debug(checks=True)` finds what is out of range.
"""

import functools
import numbers

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import Tensor, modes, views
from kuai.engine.tensor.placeholder import Placeholder, reads

__all__ = [
    "INTEGERS",
    "check_fits",
    "check_operand",
    "check_value",
    "check_sizes",
    "check_within",
    "check_written",
    "first_outside",
    "is_looked_at",
    "known",
    "lie_within",
]

#: Whole numbers that are no tensors: Python's, and NumPy's, which count as such in PyTorch.
INTEGERS = (int, np.integer)


def known(tensor):
    """The values of a tensor as a NumPy array, or None if looking at them costs something."""
    state = modes.state
    if state.recorder is not None or state.capture is not None:
        return None
    array = views.value(tensor)
    if isinstance(array, jax.core.Tracer):
        return None
    return np.asarray(array) if array.platform() == "cpu" else None


def is_looked_at(tensor) -> bool:
    """Whether a record is being written and `lie_within` looks at the values, noted for replays."""
    return modes.state.recorder is not None and _looked_at(tensor)[1] is not None


def lie_within(tensor, low, high, ignored=None) -> bool:
    """Whether no known value is NaN or outside [low, high], unless it is to be ignored.

    NaN is ignored if `ignored` is NaN.
    """
    held, array = _looked_at(tensor)
    if array is None:
        return True
    check = functools.partial(_lies_within, low=low, high=high, ignored=ignored)
    if not check(array):
        return False
    if reads.checks is not None:
        reads.note_check(held, check)
    return True


def check_within(tensor, count: int, text: str, error: type[Exception], ignored=None) -> None:
    """Raise an error that names the first index outside [0, count), unless it is to be ignored."""
    if not lie_within(tensor, 0, count - 1, ignored):
        raise error(text.format(first_outside(tensor, 0, count - 1, ignored)))


def first_outside(tensor, low, high, ignored=None, place: bool = False):
    """The first of the values for which `lie_within` is not so, or its place in the flat row."""
    _, values = _looked_at(tensor)
    assert values is not None  # as `lie_within` has seen
    array = values.ravel()
    wrong = ~((low <= array) & (array <= high))
    if ignored is not None:
        wrong &= array != ignored
    first = int(wrong.argmax())
    return first if place else array[first]


def _looked_at(tensor):
    """What a tensor holds, and its values, or None if they are not there yet.

    While a record is written, a program's result is left alone: somebody who has looked at an array
    may hold its memory, which the next program could use. So is a view, which has to be read.
    """
    if modes.state.recorder is None:
        return None, known(tensor)
    held = tensor._storage.held
    if tensor._steps is not None or type(held) is Placeholder or modes.state.capture is not None:
        return None, None
    if (
        isinstance(held, jax.core.Tracer)
        or isinstance(held, jax.Array)
        and held.platform() != "cpu"
    ):
        return None, None
    return held, np.asarray(held)


def _lies_within(array, low, high, ignored) -> bool:
    if not array.size or low <= array.min() and array.max() <= high:
        return True
    if ignored is None:
        return False
    if ignored != ignored:
        return not ((array < low) | (array > high)).any()
    return bool(((array == ignored) | (low <= array) & (array <= high)).all())


# Numbers and dtypes -------------------------------------------------------------------------------

#: What PyTorch's errors call the dtypes that a number is converted to.
_C_NAMES = {"float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float"}
_C_NAMES |= {"int32": "int", "float64": "double"}
_C_NAMES |= {"complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}


def check_fits(number, kind: np.dtype, name: str | None = None) -> None:
    """Raise PyTorch's error for a Python number that a dtype cannot hold.

    Negative numbers may wrap around in an unsigned dtype, and infinity is a number for floats.

    Example:
        >>> check_fits(300, np.dtype("uint8"))
        Traceback (most recent call last):
        RuntimeError: value cannot be converted to type uint8_t without overflow
    """
    is_number = isinstance(number, numbers.Number) and not isinstance(number, bool)
    if not is_number or kind.kind not in "iufVc":
        return
    if isinstance(number, complex) and not number.imag:
        number = number.real
    if _fits(number, kind):
        return
    in_c = f"c10::{kind.name.capitalize()}" if "float8" in kind.name else f"{kind.name}_t"
    name = name or _C_NAMES.get(kind.name, in_c)
    raise RuntimeError(f"value cannot be converted to type {name} without overflow")


def check_written(number, kind: np.dtype) -> None:
    """`check_fits` for a number that is assigned, or written into one place: in 16 bits it may
    become infinite.

    Example:
        >>> x = kuai.zeros(2, dtype=kuai.float16)
        >>> x[0] = 70000.0
        >>> x
        tensor([inf, 0.], dtype=torch.float16)
    """
    is_short = kind.kind in "fV" and kind.itemsize == 2
    check_fits(number, np.dtype(np.float64) if is_short else kind)


def check_long(*given) -> None:
    """Raise PyTorch's error for a Python number of more than 64 bits.

    Example:
        >>> check_long(2**64)
        Traceback (most recent call last):
        OverflowError: int too big to convert
    """
    for number in given:
        if isinstance(number, int) and not -(2**63) <= number < 2**64:
            below = "can't convert negative int to unsigned"
            raise OverflowError(below if number < 0 else "int too big to convert")


def check_value(value, kind: np.dtype) -> None:
    """`check_fits` of a number, or of a tensor of one number that is known.

    Example:
        >>> check_value(kuai.tensor(300), np.dtype("uint8"))
        Traceback (most recent call last):
        RuntimeError: value cannot be converted to type uint8_t without overflow
    """
    if isinstance(value, Tensor):
        array = known(value)
        if array is None or array.dtype == kind or array.size != 1:
            return
        value = array.item()
    check_fits(value, kind)


def check_operand(number, tensor) -> None:
    """`check_fits` of an operand that does not change an integer tensor's dtype."""
    if type(number) is int and isinstance(tensor, Tensor):
        kind = tensor.dtype.jax
        if kind.kind in "iu":
            check_fits(number, kind)


def _fits(number, kind) -> bool:
    if isinstance(number, complex):
        return kind.kind == "c" and _fits(number.real, kind) and _fits(number.imag, kind)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        lowest = limits.min if kind.kind == "i" else -limits.max
        return lowest <= number <= limits.max  # not so for NaN
    if isinstance(number, int):
        check_long(number)
    return not np.isfinite(number) or abs(number) <= float(jnp.finfo(kind).max)


def check_sizes(sizes) -> None:
    """Raise PyTorch's error for a size below zero.

    Example:
        >>> check_sizes((2, -3))
        Traceback (most recent call last):
        RuntimeError: Trying to create tensor with negative dimension -3: [2, -3]
    """
    for size in sizes:
        if size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(sizes)}"
            )
