"""Placeholders: results of operations that have been written down, but not run yet.

Where a recorder is at work (see `compile.recorder`) an operation is not dispatched: it becomes a
line of a record, and its results are placeholders, which know shape, dtype and device. When the
record is run, those that somebody still holds get their arrays. A storage may hold a placeholder
for ever after: once it has its array, it stands for that.

Invariants
* `record` is the record it waits for, or None once it has its array.
* `exposed` says that its array was handed out, so that another object may use the same memory; such
  an array is never given away to be written into.
* Whoever needs a real array calls `resolved`, which runs the record if need be. So code that knows
  nothing of recording is right, only slower.
"""

import threading
from typing import Any

import jax
import numpy as np

from kuai.engine.tensor import modes

__all__ = ["INEXACT", "ArrayType", "Placeholder", "array_type", "exposed", "known", "resolved"]
__all__ += ["one_at_a_time", "reads", "struct_of"]

# One thread records or runs at a time: another may ask for a value that this one has recorded, none
# may give away an array that another one is about to use, and what a storage holds becomes memory,
# or an array again, between two programs.
one_at_a_time = threading.RLock()


class _Reads:
    """Who asks for concrete arrays: `log` collects what is asked for, while somebody wants it.

    `checks` collects what is only looked at, as (array, function): the function has said yes. What
    other threads ask for meanwhile is not noted.
    """

    __slots__ = ("_thread", "checks", "log")

    def __init__(self):
        self.log: list | None = None
        self.checks: list | None = None
        self._thread = 0

    def begin(self) -> tuple[list, list]:
        """Collect what this thread asks for, and nothing for anybody else: `log` and `checks`."""
        self._thread = threading.get_ident()
        self.log, self.checks = found = [], []
        return found

    def end(self, log: list) -> bool:
        """Stop; whether everything has come into a log that `begin` has given."""
        is_whole = self.log is log
        if is_whole:
            self.log = self.checks = None
        return is_whole

    def note(self, array) -> None:
        """An array is asked for."""
        log = self.log
        if log is not None and self._thread == threading.get_ident():
            log.append(array)

    def note_check(self, array, check) -> None:
        """An array is looked at."""
        checks = self.checks
        if checks is not None and self._thread == threading.get_ident():
            checks.append((array, check))


reads = _Reads()


INEXACT = frozenset("fcV")  # kinds of dtypes that have gradients; V are bfloat16 and float8


class ArrayType:
    """Shape, dtype, weak type and sharding of an array; one object for each combination."""

    __slots__ = ("device", "dtype", "is_inexact", "shape", "sharding", "size", "struct")

    def __init__(self, shape, dtype, weak_type, sharding):
        self.shape, self.dtype, self.sharding = shape, dtype, sharding
        self.is_inexact = dtype.kind in INEXACT
        self.struct = jax.ShapeDtypeStruct(shape, dtype, weak_type=weak_type)
        self.size = self.struct.size * dtype.itemsize
        devices = () if sharding is None else tuple(sharding.device_set)
        self.device = devices[0] if len(devices) == 1 else devices or None


_types: dict[tuple, ArrayType] = {}


def known(shape, dtype, weak_type, sharding) -> ArrayType:
    """The one object for a combination."""
    key = (shape, dtype, weak_type, sharding)
    found = _types.get(key)
    if found is None:
        found = _types.setdefault(key, ArrayType(shape, np.dtype(dtype), weak_type, sharding))
    return found


def array_type(array) -> ArrayType:
    """The type of a JAX or NumPy array."""
    if isinstance(array, jax.Array):
        return known(array.shape, array.dtype, array.weak_type, array.sharding)
    return known(array.shape, array.dtype, False, None)


class Placeholder:
    """The result of a recorded operation.

    Most attributes have class-level defaults, so that making one sets only what is particular.
    """

    array: Any = None
    takes = None  # the number of the record's input whose storage it goes into
    exposed = False
    wants_memory = False  # whether it may go into memory that has become free

    def __init__(self, record, index, type):
        self.record, self.index, self.type = record, index, type

    @property
    def shape(self):
        """The size of each dimension."""
        return self.type.shape

    @property
    def ndim(self):
        """The number of dimensions."""
        return len(self.type.shape)

    @property
    def size(self):
        """The number of elements."""
        return self.type.struct.size

    @property
    def dtype(self):
        """The element type, as JAX knows it."""
        return self.type.dtype

    @property
    def weak_type(self):
        """Whether JAX may promote it to another dtype of its kind."""
        return self.type.struct.weak_type

    @property
    def sharding(self) -> Any:
        """Where it lies, or will lie."""
        if self.record is not None and self.type.sharding is None:
            self.resolve("a sharding")
        array: Any = self.array
        return array.sharding if self.record is None else self.type.sharding

    def resolve(self, what: str = "a value"):
        """The array; if there is none yet, the record is run. Inside a capture, a traced one.

        Args:
            what: what needs the array, for whoever wants to know why the record ended here.
        """
        record = self.record
        if record is None:
            return self.array
        capture = modes.state.capture
        if capture is not None:
            return capture.stand_in(self)
        record.flush(what)
        return self.array

    def __jax_array__(self):
        return exposed(self)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.resolve(), dtype)


def struct_of(array):
    """Something of an array's shape and dtype that functions can be traced with."""
    return array.type.struct if type(array) is Placeholder else array


def resolved(array, what: str = "a value") -> Any:
    """The array that a placeholder stands for; anything else as it is."""
    if reads.log is not None:
        reads.note(array)
    return array.resolve(what) if type(array) is Placeholder else array


def exposed(array, what: str = "a value"):
    """As `resolved`, for somebody who may keep the array, or make another of its memory."""
    if reads.log is not None:
        reads.note(array)
    if type(array) is not Placeholder:
        return array
    found = array.resolve(what)
    array.exposed = True
    return found
