"""`kuai.storage`: the memory behind tensors, as far as programs ask about it.

A storage is a cell that tensors share. Its number, size and elements can be asked for; raw memory
cannot be handed out, because XLA's arrays never change.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes, from_array, method, modes
from kuai.engine.tensor.shared import shares
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

    def __init__(self, tensor: Any = None, *, device: Any = None):
        if not isinstance(tensor, Tensor):
            tensor = from_array(_elements(tensor, np.dtype(np.uint8)), device)
        self._tensor = tensor
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
        """Whether other processes read and write it."""
        return shares(self._cell)

    def tolist(self) -> list:
        """All elements."""
        return list(value(self._whole()).tobytes())

    @property
    def filename(self) -> str | None:
        """The file that it lies in: none."""
        return None

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> FileStorage:
        """The bytes of a file, which are read where they are asked for."""
        if shared:
            raise ValueError("a file is not written through a storage: shared has to be False")
        return FileStorage(np.memmap(filename, np.uint8, "r", shape=(nbytes,) if nbytes else None))

    def __getitem__(self, place: Any) -> Any:
        return self.tolist()[place]

    def __iter__(self) -> Any:
        return iter(self.tolist())

    def __repr__(self) -> str:
        name, kind = type(self).__name__, ""
        if isinstance(self, TypedStorage):
            name, kind = "TypedStorage", f"dtype={self.dtype}, "
        shown = "\n".join(f" {each}" for each in self.tolist())
        return f"{shown}\n[torch.storage.{name}({kind}device={self.device}) of size {len(self)}]"

    is_cuda = is_hpu = is_sparse = is_sparse_csr = False

    def _in_elements(self) -> Tensor:
        """All elements in a row: of storages in bytes, the bytes."""
        whole = self._whole().detach().reshape(-1)
        return whole if isinstance(self, TypedStorage) else whole.view(dtypes.uint8)

    def to(self, *args: Any, device: Any = None, non_blocking: bool = False) -> Any:
        """The storage on a device."""
        moved = self._whole().to(args[0] if args else device)
        return self if moved._storage is self._cell else type(self)(moved)

    def get_device(self) -> int:
        """The number of its GPU; -1 in host memory."""
        return self._tensor.get_device()

    def is_pinned(self, device: Any = None) -> bool:
        """Whether a GPU may read it at any time: no."""
        return False

    def pin_memory(self, device: Any = None) -> Any:
        """The storage itself: XLA pins what it has to."""
        return self

    def resizable(self) -> bool:
        """Whether its size may change: see `resize_`."""
        return True

    def share_memory_(self) -> Any:
        """Move it to where other processes can read and write it."""
        self._tensor.share_memory_()
        return self

    def fill_(self, value: Any) -> Any:
        """Put a number everywhere."""
        with modes.no_grad():
            self._whole().reshape(-1).view(self._in_elements().dtype).fill_(value)
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Copy the bytes of another one of the same size."""
        if source.nbytes() != self.nbytes():
            raise RuntimeError(
                f"size does not match, self was {self.nbytes()} bytes but src was "
                f"{source.nbytes()} bytes"
            )
        with modes.no_grad():
            bytes_of = source._whole().reshape(-1).view(dtypes.uint8)
            self._whole().reshape(-1).view(dtypes.uint8).copy_(bytes_of)
        return self

    def resize_(self, size: int) -> Any:
        """Make it another number of elements, the first of which stay; the others are 0.

        Tensors that lie on it keep their shape, so it may not become smaller than they are.
        """
        old = self._in_elements()
        if size < old.numel():
            raise RuntimeError("a storage cannot become smaller than the tensors that lie on it")
        new = old.new_zeros(size)
        new[: old.numel()] = old
        self._tensor = new
        self._cell = new._storage
        return self

    def _converted(self, kind: dtypes.dtype) -> TypedStorage:
        return TypedStorage(self._in_elements().to(kind, copy=True))

    def clone(self) -> Any:
        """A copy."""
        return type(self)(self._whole().clone())

    def cpu(self) -> Any:
        """The storage in the memory of the host."""
        return self if self.device.type == "cpu" else type(self)(self._whole().cpu())


def _conversion(name: str, kind: dtypes.dtype) -> Any:
    def convert(self):
        return self._converted(kind)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"A copy with elements of {kind}."
    return convert


for _name, _kind in {
    "bfloat16": dtypes.bfloat16, "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8,
    "complex_double": dtypes.complex128, "complex_float": dtypes.complex64,
    "double": dtypes.float64, "float": dtypes.float32, "float8_e4m3fn": dtypes.float8_e4m3fn,
    "float8_e5m2": dtypes.float8_e5m2, "half": dtypes.float16, "int": dtypes.int32,
    "long": dtypes.int64, "short": dtypes.int16,
}.items():  # fmt: skip
    setattr(UntypedStorage, _name, _conversion(_name, _kind))


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
    """The storage of a tensor, in elements of its dtype.

    Example:
        >>> x = kuai.zeros(2)
        >>> x.storage()[0] = 5
        >>> x, kuai.FloatStorage([1, 2]).tolist()
        (tensor([5., 0.]), [1.0, 2.0])
    """

    _kind: dtypes.dtype | None = None

    def __init__(
        self,
        *args: Any,
        wrap_storage: Any = None,
        dtype: Any = None,
        device: Any = None,
        _internal: bool = False,
    ):
        given: Any = args[0] if args else None
        if wrap_storage is not None:
            given = wrap_storage._whole()
        elif not isinstance(given, Tensor):
            kind = dtype or self._kind or dtypes.get_default_dtype()
            given = from_array(_elements(given, dtypes.to_jax(kind)), device)
        super().__init__(given)

    def __setitem__(self, place: Any, number: Any) -> None:
        with modes.no_grad():
            self._whole().view(-1)[place] = number

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """Its class's name; with a dtype, a copy."""
        if dtype is not None:
            return TypedStorage(self._whole().to(dtype))
        return f"torch.{self._tensor.type().rpartition('.')[2].replace('Tensor', 'Storage')}"

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


def _elements(given: Any, kind: np.dtype) -> np.ndarray:
    """So many elements, or these; none of None."""
    if given is None:
        return np.zeros(0, kind)
    return np.zeros(given, kind) if isinstance(given, int) else np.asarray(given).astype(kind)


@method
def untyped_storage(self) -> UntypedStorage:
    """The storage of the tensor, in bytes."""
    return UntypedStorage(self)


@method
def storage(self) -> TypedStorage:
    """The storage of the tensor, in elements."""
    return TypedStorage(self)


@method
def storage_type(self) -> str:
    """The name of the class of its storage, in elements."""
    return TypedStorage(self).type()
