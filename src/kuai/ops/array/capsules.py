"""Capsules of DLPack: the protocol's older form, a bare pointer with a name."""

import ctypes
from typing import Any

__all__ = ["Offer"]

_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype, _pointer_in.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class _Managed(ctypes.Structure):
    """The beginning of DLPack's `DLManagedTensor`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("kind_of_device", ctypes.c_int32),
        ("number_of_device", ctypes.c_int32),
    )


class Offer:
    """A capsule as an object that offers the protocol: JAX takes nothing else."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        managed = _Managed.from_address(_pointer_in(self._capsule, b"dltensor"))
        return managed.kind_of_device, managed.number_of_device
