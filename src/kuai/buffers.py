"""`kuai.frombuffer` and `kuai.from_file`: tensors of bytes that lie elsewhere."""

import errno
import os

import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes, from_array
from kuai.ops.array.numpy_arrays import on_memory

__all__ = ["from_file", "frombuffer"]


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) -> Tensor:
    """A vector of the numbers that lie in an object's memory, which it shares with it.

    Args:
        dtype: of which type the numbers are.
        count: how many there are; all by default.
        offset: how many bytes come before them.

    Example:
        >>> kuai.frombuffer(bytearray([1, 0, 2, 0]), dtype=kuai.int16)
        tensor([1, 2], dtype=torch.int16)

    Raises:
        ValueError: the object is not as large.

    Differs from PyTorch: what cannot be written to, as `bytes`, is copied.
    """
    kind, size = dtypes.to_jax(dtype), memoryview(buffer).nbytes
    if not size or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if offset < 0 or offset >= size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({size} bytes) minus 1"
        )
    if count < 0 and (size - offset) % kind.itemsize:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a "
            f"multiple of element size ({kind.itemsize})"
        )
    if count > 0 and offset + count * kind.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {kind.itemsize} bytes) after offset ({offset} "
            f"bytes) must not be greater than actual buffer length ({size} bytes)"
        )
    return on_memory(np.frombuffer(buffer, kind, count, offset), requires_grad)


def from_file(
    filename,
    shared=None,
    size=0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A vector of the numbers at the beginning of a file.

    Args:
        shared: whether the file is made, or made longer, where it has fewer numbers.
        size: how many numbers.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/numbers"
        >>> _ = kuai.arange(3.0).numpy().tofile(path)
        >>> kuai.from_file(path, size=2)
        tensor([0., 1.])

    Raises:
        RuntimeError: there is no such file, or it has fewer numbers.

    Differs from PyTorch: the numbers are read at once. With `shared`, later changes of the tensor
    do not arrive in the file.
    """
    if not isinstance(filename, str):
        kind = type(filename).__name__
        raise TypeError(f"from_file(): argument 'filename' (position 1) must be str, not {kind}")
    if pin_memory:
        raise RuntimeError("tensors constructed from a file cannot be pinned")
    if device is not None and devices.device(device).type != "cpu":
        raise NotImplementedError("from_file: only tensors on the CPU can be made of a file")
    kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
    wanted = size * kind.itemsize
    _make_fit(filename, wanted, bool(shared))
    found = np.fromfile(filename, np.uint8, max(wanted, 0)).view(kind)
    return from_array(found, "cpu", requires_grad=requires_grad)


def _make_fit(filename: str, wanted: int, shared: bool) -> None:
    """Refuse a file that is too short, or make it longer."""
    mode = "read-write" if shared else "read-only"
    try:
        with open(filename, "ab" if shared else "rb") as file:
            held = os.fstat(file.fileno()).st_size
            if shared and held < wanted:
                file.truncate(wanted)
    except OSError as error:
        reason = f"{os.strerror(error.errno or errno.EIO)} ({error.errno})"
        raise RuntimeError(f"unable to open file <{filename}> in {mode} mode: {reason}") from None
    if not shared and held < wanted:
        raise RuntimeError(
            f"file <{filename}> size <{held}> is smaller than the required mapping size <{wanted}>"
        )
    if wanted < 0:
        raise RuntimeError(
            f"unable to mmap {wanted} bytes from file <{filename}>: Cannot allocate memory (12)"
        )
