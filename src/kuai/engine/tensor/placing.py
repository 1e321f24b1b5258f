"""NumPy arrays onto devices.

`jax.device_put` spends some 25 µs in Python before it asks jaxlib for what takes 2; a small tensor
of numbers that the program has costs little else. So jaxlib is asked itself, for arrays of plain
numbers and one device. JAX promises nothing about that function: whatever it refuses, and whatever
else there is to place, goes the public way, which also says what is wrong.
"""

import functools
import math
from typing import Any

import jax
import numpy as np

try:
    from jaxlib.xla_client import batched_device_put
except ImportError:
    batched_device_put: Any = None

__all__ = ["aligned", "alone_on", "put"]

_NUMBERS = frozenset("?bhilqBHILQefdFD")  # the characters of NumPy's own dtypes of numbers


def put(array, where) -> jax.Array:
    """What `jax.device_put(array, where)` gives: an array that is tied to a device.

    Args:
        array: a NumPy array, or anything else that JAX takes.
        where: one of JAX's devices.

    Example:
        >>> made = put(np.arange(3), jax.devices()[0])
        >>> made.tolist(), made.committed
        ([0, 1, 2], True)
    """
    if type(array) is np.ndarray and batched_device_put is not None:
        kind = array.dtype
        if kind.char in _NUMBERS and kind.isnative:
            try:
                return batched_device_put(
                    _described(array.shape, kind), alone_on(where), [array], [where], True
                )
            except (RuntimeError, TypeError, ValueError):  # such as a guard of transfers
                return jax.device_put(array, where)
    return jax.device_put(array, where)


_LINE = 64  # bytes: memory that begins at a multiple is used by XLA as it is, without a copy


def aligned(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """A new array, with nothing written into it, whose memory XLA would use as it is."""
    size = math.prod(shape) * kind.itemsize
    memory = np.empty(size + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + size].view(kind).reshape(shape)


@functools.lru_cache(maxsize=4096)
def _described(shape, kind):
    return jax.typeof(np.broadcast_to(np.zeros((), kind), shape))


@functools.lru_cache(maxsize=256)
def alone_on(where) -> jax.sharding.SingleDeviceSharding:
    """The sharding of an array that lies on one device; the same object each time."""
    return jax.sharding.SingleDeviceSharding(where)
