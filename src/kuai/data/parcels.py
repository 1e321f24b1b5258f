"""Parcels: objects on their way between a process and its workers.

An object is pickled, by value where it is defined in the program itself (`__main__`: a script, a
notebook) or inside of a function, so the other process need not run the program. The memory of its
arrays and tensors is put beside that, and all into one anonymous file in memory, whose descriptor
travels: nothing has a name, so nothing can be left over, however a process ends. Where there
are no such files, and for small objects, the bytes travel through the pipe.

The receiver maps the file: it may write into its arrays, and the tensors it makes of them use the
same memory. What others receive, too, is mapped privately; what is for it alone is mapped with all
its pages at once, and the file may be used again afterwards (see `segments`). As each mapping keeps
a descriptor, of which a process has few, the arrays are copied while many are alive.
"""

from __future__ import annotations

import functools
import io
import marshal
import mmap
import os
import pickle
import socket
import sys
import types
import weakref
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from kuai.data.collating import Pending
from kuai.data.segments import Segments
from kuai.engine.compile.function_like import FunctionLike
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.views import value
from kuai.ops.array.sharing import reduced_by_path

__all__ = ["Parcel", "accept", "receive", "send", "unpacked"]

_SHARES = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")
_SMALL = 16 * 1024  # bytes that may travel through the pipe
_ALIGNED = 64  # what XLA wants, so as to use memory where it lies
_MANY = 256  # mappings, each with a descriptor
_of_programs = ("__main__", "__mp_main__")  # modules that the other process does not have
_mapped: weakref.WeakSet = weakref.WeakSet()


class Parcel:
    """A pickled object. The same parcel may be sent several times.

    But not where its memory is one of the sender's `segments`, which has a number.
    """

    def __init__(self, content: Any, segments: Segments | None = None) -> None:
        stream, buffers = io.BytesIO(), []
        pickler = _pickler()(stream, protocol=5, buffer_callback=buffers.append)
        pickler.shares = segments is None
        pickler.dump(content)
        self.parts = [stream.getbuffer(), *(buffer.raw() for buffer in buffers)]
        self.sizes = [part.nbytes for part in self.parts]
        self.shared = self.number = None
        if _SHARES and sum(self.sizes) > _SMALL:
            self._share(segments)

    def _share(self, segments: Segments | None) -> None:
        starts, end = _places(self.sizes)
        taken = segments.take(end) if segments else None
        if taken is not None:
            self.number, self.shared = taken
        else:
            self.shared = os.memfd_create("kuai")
            weakref.finalize(self, os.close, self.shared)
            os.ftruncate(self.shared, end)
        for start, part in zip(starts, self.parts, strict=True):
            _write(self.shared, part, start)
        self.parts = []

    def send(self, connection: Connection) -> None:
        """Send it to whoever calls `receive` at the other end."""
        parts = None if self.shared is not None else [bytes(part) for part in self.parts]
        connection.send_bytes(pickle.dumps((self.sizes, parts, self.number), protocol=5))
        if self.shared is not None:
            with _as_socket(connection) as way:
                socket.send_fds(way, [b"f"], [self.shared])


def send(connection: Connection, content: Any, segments: Segments | None = None) -> None:
    """Pickle an object and send it."""
    Parcel(content, segments).send(connection)


def receive(connection: Connection) -> Any:
    """The next object; EOFError where the other end is gone."""
    return unpacked(accept(connection))


def accept(connection: Connection, returned: list[int] | None = None) -> list:
    """What arrives next, still pickled, so that a fault in it does not spoil what comes after.

    `returned` says that nobody else is sent the same parcel. The number of its segment is put in
    there when nothing uses its memory any more.
    """
    sizes, parts, number = pickle.loads(connection.recv_bytes())
    if parts is None:
        mapped = _received_memory(connection, sizes, is_alone=returned is not None)
        if returned is not None and number is not None:
            weakref.finalize(mapped, returned.append, number).atexit = False
        return _cut(_held(mapped), sizes)
    return [bytearray(part) for part in parts]  # arrays that may be written into


def unpacked(accepted: list) -> Any:
    """The object that has been accepted."""
    pickled, *parts = accepted
    return pickle.loads(pickled, buffers=parts)


# Memory -------------------------------------------------------------------------------------------


def _places(sizes: list[int]) -> tuple[list[int], int]:
    """Where each part begins, and where the last one ends."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // _ALIGNED) * _ALIGNED
    return starts, end


def _write(descriptor: int, part: memoryview, start: int) -> None:
    written = 0
    while written < part.nbytes:
        written += os.pwrite(descriptor, part[written:], start + written)


def _received_memory(connection: Connection, sizes: list[int], *, is_alone: bool) -> mmap.mmap:
    with _as_socket(connection) as way:
        said, descriptors, *_ = socket.recv_fds(way, 1, 1)
    if not said:
        raise EOFError
    if not descriptors:
        raise RuntimeError(
            "Too many open files. Communication with the workers is no longer possible. Please "
            "increase the limit using `ulimit -n` in the shell"
        )
    try:
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE if is_alone else mmap.MAP_PRIVATE
        return mmap.mmap(descriptors[0], _places(sizes)[1], flags=flags)
    finally:
        os.close(descriptors[0])


def _held(mapped: mmap.mmap) -> memoryview:
    """Its memory, or a copy while many are alive."""
    if len(_mapped) >= _MANY:
        return np.frombuffer(mapped, np.uint8).copy().data
    _mapped.add(mapped)
    return memoryview(mapped)


def _cut(memory: memoryview, sizes: list[int]) -> list[memoryview]:
    starts, _ = _places(sizes)
    return [memory[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def _as_socket(connection: Connection) -> socket.socket:
    return socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)


# Pickling -----------------------------------------------------------------------------------------


@functools.cache
def _pickler() -> Any:
    import cloudpickle

    program = sys.modules.get("__mp_main__")
    if program is not None:  # this process was itself started by another one
        cloudpickle.register_pickle_by_value(program)

    class Pickler(cloudpickle.Pickler):
        """Pickles functions and classes of the program by value, and arrays beside the stream.

        Attributes:
            shares: whether tensors in shared memory stay there; of those in a batch a copy is sent.
        """

        shares = False

        def reducer_override(self, obj: Any) -> Any:
            kind = type(obj)
            if kind is Tensor:
                return self.shares and reduced_by_path(obj) or _of_tensor(obj)
            if kind is Pending:
                return _tensor, (obj.array, False)
            if kind is np.ndarray and not obj.dtype.hasobject:
                return _of_array(obj)
            if isinstance(obj, FunctionLike) and not obj.is_found_by_name(but_in=_of_programs):
                return obj.remade
            if isinstance(obj, types.CodeType):  # cloudpickle leaves the file's name away
                return marshal.loads, (marshal.dumps(obj),)
            return super().reducer_override(obj)

    return Pickler


def _of_tensor(tensor: Tensor) -> tuple:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the data, "
            "call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    return _tensor, (np.asarray(value(tensor)), tensor.requires_grad)


def _of_array(array: np.ndarray) -> tuple:
    columns = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = np.ascontiguousarray(array.T if columns else array).reshape(-1)
    memory = pickle.PickleBuffer(flat.view(np.uint8).data)
    return _array, (memory, array.dtype, array.shape, columns)


def _array(memory: Any, kind: np.dtype, shape: tuple, columns: bool) -> np.ndarray:
    array = np.frombuffer(memory, np.uint8).view(kind)
    return array.reshape(shape[::-1]).T if columns else array.reshape(shape)


def _tensor(array: np.ndarray, requires_grad: bool) -> Tensor:
    return from_array(array, "cpu", requires_grad)
