"""Storage: the mutable cell behind one or more tensors.

A tensor is a window on a storage; tensors that share one (`detach`, `.data`, views) see each
other's changes. What a cell holds is immutable, an array or the placeholder of one (see
`placeholder`): writing puts another one into the cell. Hence whatever the tape has saved stays as
it was. Only where somebody else writes as well, a cell holds memory (see `memory`).

`held` is what it holds, `array` the array that stands for; asking for that runs what is still to be
computed. `version` counts the writes, so that a view knows when to read itself anew. `home` is the
capture in which the storage was made (see `autograd.tracing`), or None.
"""

from typing import Any

import jax
import jax.core

from kuai.engine.tensor import modes
from kuai.engine.tensor.placeholder import Placeholder, exposed
from kuai.errors import LeakedTensorError

__all__ = ["InferenceStorage", "Lost", "Storage", "address_of", "put", "resolve"]


class Storage:
    """A cell that holds an immutable array, or the placeholder of one."""

    __slots__ = ("__weakref__", "held", "home", "version")
    is_array = True  # whether it holds an array: others hold memory that changes, see `memory`

    def __init__(self, held, home=None):
        self.held = held
        self.version = 0
        self.home = home

    @property
    def array(self):
        """The array, which the caller may keep."""
        return exposed(self.held)

    @array.setter
    def array(self, array):
        self.held = array

    @property
    def outline(self):
        """Something with the shape, the dtype and the sharding of the values."""
        return self.held


class InferenceStorage(Storage):
    """One that was made in inference mode, which `is_inference` tells of."""

    __slots__ = ()


def resolve(storage: Storage) -> Storage:
    """The cell to read now: inside a capture, its traced double."""
    capture = modes.state.capture
    if capture is None or storage.home is capture:
        return storage
    return capture.shadow(storage)


def put(storage: Storage, held) -> None:
    """Write an array into a storage, or into its traced double inside a capture."""
    capture = modes.state.capture
    if capture is not None and storage.home is not capture:
        capture.write(storage, held)
        return
    if type(held) is Placeholder and held.record is not None:
        held.record.put(held, storage)
    storage.held = held
    storage.version += 1


def address_of(storage: Storage) -> int:
    """Where the values lie; for an array of several devices, or a traced one, a number of its own.

    Other libraries read there, so the array is one that nobody overwrites.
    """
    found: Any = resolve(storage)
    if not found.is_array:
        return found.address
    array = found.array
    if isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer):
        if len(array.devices()) == 1:
            return array.unsafe_buffer_pointer()
    return id(storage)


class Lost:
    """Stands in a storage whose traced value went with its capture; any use explains what
    happened."""

    def __getattr__(self, name):
        raise LeakedTensorError

    def __bool__(self):
        raise LeakedTensorError
