"""Eager random draws: one program for each class of sizes instead of one for each shape.

Compiling a random program takes a fifth of a second, and a network's layers have many shapes. JAX's
generator gives element i of an array the same number whatever the array's length, so eagerly a draw
is made in the next larger size class and cut. Inside a capture or a record, where nothing is
compiled apart, the shape itself is drawn: the numbers are the same.
"""

import math
from collections.abc import Callable

from kuai.engine.tensor import Tensor, from_array, modes
from kuai.engine.tensor.calls import recorder
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.devices import device

__all__ = ["draw_shape", "size_class"]

_SMALLEST, _LARGEST = 4**5, 4**11


def size_class(count: int) -> int:
    """The smallest power of 4 that is at least `count` (and at least 1024).

    Example:
        >>> size_class(3), size_class(5000)
        (1024, 16384)
    """
    size = _SMALLEST
    while size < count:
        size *= 4
    return size


def draw_shape(draw: Callable[[tuple], Tensor], shape: tuple, where: device) -> Tensor:
    """A tensor of independent random numbers on a device; `draw(shape)` makes one of any shape."""
    count = math.prod(shape)
    # on the CPU cutting costs one copy; elsewhere it would cost a program of its own
    is_traced = modes.state.capture is not None or recorder() is not None
    if is_traced or where.type != "cpu" or count > _LARGEST:
        return draw(shape)
    array = concrete(draw((size_class(count),)), "random numbers")
    return from_array(array[:count].reshape(shape).copy(), where)
