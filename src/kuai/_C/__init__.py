"""`kuai._C`: the few names of PyTorch's compiled core that pure Python packages ask for."""

from kuai._C import _nn as _nn
from kuai._C.dispatch import (
    DispatchKey,
    DispatchKeySet,
    ExcludeDispatchKeyGuard as _ExcludeDispatchKeyGuard,
)
from kuai.engine.late import late
from kuai.engine.op.subclasses import DisableTorchFunction, DisableTorchFunctionSubclass
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.overriding import disabled as _disabled_torch_function_impl
from kuai.engine.tensor.randomness import Generator, default_generator
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.tensor import Tensor as TensorBase
from kuai.jit import Future, ScriptFunction
from kuai.standin.refusing import refused_class

__all__ = [
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "DispatchKey",
    "DispatchKeySet",
    "Future",
    "Generator",
    "ScriptFunction",
    "Size",
    "TensorBase",
    "default_generator",
    "device",
    "dtype",
]

__getattr__, __dir__ = late("kuai._C", ("_functorch",), {})

_ExcludeDispatchKeyGuard = _ExcludeDispatchKeyGuard
_TensorBase = TensorBase
_has_cuda = _has_mps = _has_xpu = _has_mtia = False
_has_mkldnn = _has_magma = _has_distributed = False
has_lapack, has_cuda, has_mps, has_mkl, has_spectral = True, False, False, False, True
_GLIBCXX_USE_CXX11_ABI = True
_disabled_torch_function_impl = _disabled_torch_function_impl


_TensorMeta = type(TensorBase)
PyTorchFileReader = refused_class(
    "torch._C.PyTorchFileReader", "files are read in Python here", "Use kuai.load"
)


#: Types of TorchScript's, which annotations name.
DeviceObjType, BoolType, IntType, FloatType, StringType, NumberType, NoneType, AnyType = (
    type(f"{name}Type", (), {"__doc__": "A type of TorchScript's.", "__module__": "torch._C"})
    for name in ("DeviceObj", "Bool", "Int", "Float", "String", "Number", "None", "Any")
)
JITException = type("JITException", (RuntimeError,), {"__doc__": "What TorchScript raises."})


class Graph:
    """A graph of TorchScript; nothing is one."""


class Node:
    """A node of TorchScript's graphs; nothing is one."""


class TensorType:
    """A type of TorchScript's: that of tensors."""


class Value:
    """A value in TorchScript's graphs; nothing is one."""


def _log_api_usage_once(event: str) -> None:
    """Does nothing: nothing is reported to anybody."""


def _get_tracing_state() -> None:
    """The state of `jit.trace`: none."""


def _is_tracing() -> bool:
    """Whether `jit.trace` records: never."""
    return False


def _cuda_isCurrentStreamCapturing() -> bool:
    """Whether a CUDA graph is being captured: never."""
    return False


def _get_privateuse1_backend_name() -> str:
    """The name of somebody's own kind of devices: there is none."""
    return "privateuseone"
