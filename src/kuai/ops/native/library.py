"""The native library: C++ kernels around oneDNN, registered with XLA when they are first wanted.

`setup.py` builds it where there is a C++ compiler; oneDNN comes as a package of its own. Where
either is missing, or does not fit the machine or the installed JAX, `is_available` is False and
everything is computed by XLA. `KUAI_ONEDNN=0` in the environment has the same effect;
`KUAI_KEPT_MEMORY=0` leaves XLA's memory alone (see `memory`).

oneDNN is loaded by the path at which its package lies, before the kernels that need it: the loader
then takes it for the library of that name, wherever Python's packages are. Nothing of it becomes
visible to other libraries, and nothing is put into the environment for it: what its threads do
between calls is settled in `worker.h`.
"""

import ctypes
import functools
import importlib.metadata
import os
import pathlib

import jax

from kuai.engine.tensor.acceleration import is_accelerated
from kuai.engine.tensor.portable import is_portable

__all__ = [
    "TARGETS",
    "give_back_allocations",
    "is_available",
    "is_usable",
    "kept_bytes",
    "multiplies_bfloat16",
]

TARGETS = (
    "convolution_epilogue",
    "convolution_forward",
    "convolution_input_gradient",
    "convolution_weight_gradient",
    "product",
    "lstm_inference",
    "lstm_forward",
    "lstm_backward",
    "keep",
)
_PACKAGE, _FILE = "onednn-cpu-gomp", "libdnnl.so.3"


def is_usable() -> bool:
    """Whether what is being traced now may use the kernels."""
    return is_accelerated() and not is_portable() and is_available()


@functools.cache
def is_available() -> bool:
    """Whether the kernels are built, fit this machine, and are not switched off."""
    if os.environ.get("KUAI_ONEDNN", "1") == "0":
        return False
    try:
        _register(_kernels())
    except (OSError, AttributeError, RuntimeError):  # built for another machine, oneDNN or JAX
        return False
    return True


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether the kernels take bfloat16, too: where the processor has instructions for it."""
    return is_available() and _kernels().kuai_multiplies_bfloat16()


def kept_bytes() -> int:
    """How much memory is kept for the next program."""
    return _kernels().kuai_kept_bytes()


def give_back_allocations() -> None:
    """Give the system back what is kept for the next program."""
    if _kernels.cache_info().currsize:  # it is loaded
        _kernels().kuai_give_back_allocations()


@functools.cache
def _kernels() -> ctypes.CDLL:
    kernels = next(pathlib.Path(__file__).parent.glob("_kernels*.so"), None)
    onednn = _installed()
    if kernels is None or onednn is None:
        raise OSError("The kernels are not built, or oneDNN is not installed.")
    ctypes.CDLL(str(onednn))
    return ctypes.CDLL(str(kernels))


def _installed() -> pathlib.Path | None:
    """Where oneDNN's package has put the library."""
    try:
        files = importlib.metadata.files(_PACKAGE) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (pathlib.Path(file.locate()) for file in files if file.name == _FILE)
    return next((path.resolve() for path in found if path.exists()), None)


def _register(library):
    library.kuai_multiplies_bfloat16.restype = ctypes.c_bool
    library.kuai_kept_bytes.restype = ctypes.c_size_t
    for name in TARGETS:
        handler = jax.ffi.pycapsule(getattr(library, f"kuai_{name}"))
        jax.ffi.register_ffi_target(f"kuai_{name}", handler, platform="cpu")
    if os.environ.get("KUAI_KEPT_MEMORY", "1") != "0":
        library.kuai_keep_allocations()
