"""`kuai.storage`: the memory behind tensors, as far as programs ask about it.

A storage is a cell that tensors share. Its number, size and elements can be asked for; raw memory
cannot be handed out, because XLA's arrays never change.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes, from_array, method
from kuai.engine.tensor.storage import address_of
from kuai.engine.tensor.views import value

__all__ = ["TypedStorage", "UntypedStorage"]


class UntypedStorage:
    """The storage of a tensor, in bytes.

    Example:
        >>> x = kuai.ones(2)
        >>> x.untyped_storage().nbytes(), x[1:].untyped_storage() == x.untyped_storage()
        (8, True)
    """

    def __init__(self, tensor: Tensor | None = None):
        self._tensor = from_array(_nothing()) if tensor is None else tensor
        self._cell = self._tensor._storage

    def _whole(self) -> Tensor:
        made = object.__new__(Tensor)
        made._storage = self._cell
        return made

    @property
    def device(self) -> Any:
        """Where it lies."""
        return self._tensor.device

    def data_ptr(self) -> int:
        """Where it begins; 0 if it is empty."""
        return address_of(self._cell) if self.nbytes() else 0

    def nbytes(self) -> int:
        """Its size in bytes."""
        return int(self._whole().nbytes)

    def size(self) -> int:
        """Its number of elements, which are bytes."""
        return self.nbytes()

    def __len__(self) -> int:
        return self.size()

    def element_size(self) -> int:
        """The bytes of an element."""
        return 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._cell is other._cell

    def __hash__(self) -> int:
        return id(self._cell)

    def untyped(self) -> UntypedStorage:
        """The same in bytes."""
        return self

    @property
    def _untyped(self) -> UntypedStorage:
        return self.untyped()

    def is_shared(self) -> bool:
        """Whether other processes see it: no."""
        return False

    def tolist(self) -> list:
        """All elements."""
        return list(value(self._whole()).tobytes())

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> FileStorage:
        """The bytes of a file, which are read where they are asked for."""
        if shared:
            raise ValueError("a file is not written through a storage: shared has to be False")
        return FileStorage(np.memmap(filename, np.uint8, "r", shape=(nbytes,) if nbytes else None))

    def __getitem__(self, place: Any) -> Any:
        return self.tolist()[place]


class FileStorage(UntypedStorage):
    """The bytes of a file, or a part of them."""

    def __init__(self, content: np.ndarray):
        self._content = content

    @property
    def device(self) -> Any:
        """Where it lies."""
        return devices.device("cpu")

    def nbytes(self) -> int:
        """Its size in bytes."""
        return self._content.size

    def data_ptr(self) -> int:
        """Where the bytes begin."""
        return self._content.ctypes.data

    def tolist(self) -> list:
        """All bytes."""
        return self._content.tolist()

    def __getitem__(self, place: Any) -> Any:
        found = self._content[place]
        return FileStorage(found) if isinstance(found, np.ndarray) else int(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._content, dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class TypedStorage(UntypedStorage):
    """The storage of a tensor, in elements of its dtype."""

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return self._tensor.dtype

    def size(self) -> int:
        """Its number of elements."""
        return self._whole().numel()

    def element_size(self) -> int:
        """The bytes of an element."""
        return self.dtype.itemsize

    def untyped(self) -> UntypedStorage:
        """The same in bytes."""
        return UntypedStorage(self._tensor)

    def tolist(self) -> list:
        """All elements."""
        return self._whole().flatten().tolist()


def _nothing() -> Any:
    return dtypes.default_float_jax().type(0)[None][:0]


@method
def untyped_storage(self) -> UntypedStorage:
    """The storage of the tensor, in bytes."""
    return UntypedStorage(self)


@method
def storage(self) -> TypedStorage:
    """The storage of the tensor, in elements."""
    return TypedStorage(self)
