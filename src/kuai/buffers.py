"""`kuai.frombuffer`: tensors of the bytes of other objects."""

import numpy as np

from kuai.engine.tensor import Tensor, dtypes, from_array

__all__ = ["frombuffer"]


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) -> Tensor:
    """A vector of the numbers that lie in an object's memory, such as that of `bytes`.

    Args:
        dtype: of which type the numbers are.
        count: how many there are; all by default.
        offset: how many bytes come before them.

    Example:
        >>> kuai.frombuffer(bytes([1, 0, 2, 0]), dtype=kuai.int16)
        tensor([1, 2], dtype=torch.int16)

    Raises:
        ValueError: the object is not as large.

    Differs from PyTorch: the numbers are copied, so that later changes of the object are not seen.
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
    found = np.frombuffer(buffer, kind, count, offset)
    return from_array(found.copy(), requires_grad=requires_grad)
