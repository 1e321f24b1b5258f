"""`kuai.utils.dlpack`: tensors for other libraries, and from them, without a copy."""

import ctypes
from typing import Any

from kuai.ops.array import creation

__all__ = ["from_dlpack", "to_dlpack"]

_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype, _pointer_in.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class _Managed(ctypes.Structure):
    """The beginning of DLPack's `DLManagedTensor`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("kind_of_device", ctypes.c_int32),
        ("number_of_device", ctypes.c_int32),
    )


class _Offer:
    """A capsule as an object that offers the protocol: JAX takes nothing else."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        managed = _Managed.from_address(_pointer_in(self._capsule, b"dltensor"))
        return managed.kind_of_device, managed.number_of_device


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """`kuai.from_dlpack`, which also takes the capsule that `to_dlpack` gives.

    Example:
        >>> from kuai.utils import dlpack
        >>> dlpack.from_dlpack(dlpack.to_dlpack(kuai.ones(2)))
        tensor([1., 1.])
    """
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Offer(ext_tensor)
    return creation.from_dlpack(ext_tensor, device=device, copy=copy)


def to_dlpack(tensor):
    """A capsule that another library's `from_dlpack` takes."""
    return tensor.__dlpack__()
