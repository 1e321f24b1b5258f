"""Creation inside a record: a formula of the program, where eagerly an array is put on a device.

A recorded step would get such an array as a new input at each call. XLA knows more of a constant
than of an input, and a step without new inputs can be replayed.
"""

import jax.numpy as jnp

from kuai.engine.op import Array, Number, op
from kuai.engine.tensor import devices, modes

__all__ = ["counted", "identity", "is_recorded", "repeated"]

_EXACT = frozenset(["float32", "float64", "complex64", "complex128"])


def is_recorded(kind, device) -> bool:
    """Whether what is made now on a device becomes part of a record.

    Numbers of 16 bits do not: NumPy rounds a Python number once, a program perhaps twice.
    """
    state = modes.state
    if state.recorder is None or state.capture is not None:
        return False
    if kind.name not in _EXACT and kind.kind not in "iub":
        return False
    return state.recorder.makes_on(devices.jax_device(device))


@op(function=False, method=False)
def repeated(number: Number, shape, kind) -> Array:
    """One number in a shape.

    Example:
        >>> import numpy
        >>> repeated(2, (3,), numpy.dtype("float32"))
        tensor([2., 2., 2.])
    """
    return jnp.full(shape, number, kind)


@op(function=False, method=False)
def counted(start: Number, step: Number, count, kind) -> Array:
    """So many whole numbers from `start` on, `step` apart.

    Example:
        >>> import numpy
        >>> counted(1, 2, 3, numpy.dtype("int64"))
        tensor([1, 3, 5])
    """
    return (start + step * jnp.arange(count, dtype=jnp.int64)).astype(kind)


@op(function=False, method=False)
def identity(rows, columns, kind) -> Array:
    """Ones on the diagonal of a matrix.

    Example:
        >>> import numpy
        >>> identity(1, 2, numpy.dtype("float32"))
        tensor([[1., 0.]])
    """
    return jnp.eye(rows, columns, dtype=kind)
