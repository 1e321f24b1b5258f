"""`kuai.storage`: the memory behind tensors, as far as programs ask about it.

A storage is a cell that tensors share. Its number, size and elements can be asked for; raw memory
cannot be handed out, because XLA's arrays never change.
"""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor, dtypes, from_array, method
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
        made = Tensor.__new__(Tensor)
        made._storage = self._cell
        return made

    @property
    def device(self) -> Any:
        """Where it lies."""
        return self._tensor.device

    def data_ptr(self) -> int:
        """A number that is its own while it lives."""
        return id(self._cell)

    def nbytes(self) -> int:
        """Its size in bytes."""
        return self._whole().nbytes

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

    def is_shared(self) -> bool:
        """Whether other processes see it: no."""
        return False

    def tolist(self) -> list:
        """All elements."""
        return list(value(self._whole()).tobytes())


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



