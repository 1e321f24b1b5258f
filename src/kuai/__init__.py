"""Kuai: PyTorch's building blocks and programming model, standing on their own on JAX/XLA."""

# ruff: noqa: F401, E402 - a face: it imports to export, and JAX's switches come first

import importlib as _importlib

from kuai.engine import settings as _settings

_settings.apply()

from kuai.engine.compile.compiler import compile, fused
from kuai.engine.compile.shapes import infer_shapes
from kuai.engine.op.autocast import autocast, get_autocast_dtype, is_autocast_enabled
from kuai.engine.tensor import Tensor, dtypes as _dtypes
from kuai.engine.tensor.devices import device, get_default_device, set_default_device
from kuai.engine.tensor.dtypes import (
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    set_default_dtype,
)
from kuai.engine.tensor.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from kuai.engine.tensor.printing import set_printoptions
from kuai.engine.tensor.promotion import can_cast, promote_types, result_type
from kuai.engine.tensor.randomness import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from kuai.engine.tensor.size import Size
from kuai.ops.sequences import TYPED as _TYPED
from kuai.ops.table import FUNCTIONS as _FUNCTIONS

__version__ = "0.1.0"

_names = globals()
_names.update({_dtype.name: _dtype for _dtype in _dtypes.DTYPES})
_names.update(
    float=_dtypes.float32,
    double=_dtypes.float64,
    half=_dtypes.float16,
    long=_dtypes.int64,
    int=_dtypes.int32,
    short=_dtypes.int16,
    cfloat=_dtypes.complex64,
    cdouble=_dtypes.complex128,
)
_names.update(_FUNCTIONS)
_names.update(_TYPED)
strided = "torch.strided"
contiguous_format = "torch.contiguous_format"
preserve_format = "torch.preserve_format"
channels_last = "torch.channels_last"

from kuai import (
    amp,
    autograd,
    backends,
    compiler,
    cuda,
    func,
    linalg,
    nn,
    onnx,
    optim,
    profiler,
    random,
    special,
    utils,
    vision,
)
from kuai.func import vmap
from kuai.nn.debugging import debug, is_anomaly_enabled
from kuai.nn.profiling import profile
from kuai.saving import (
    Checkpointer,
    export,
    load,
    load_exported,
    load_file,
    safe_open,
    save,
    save_file,
)

#: Modules that are imported when they are first asked for: import paths of PyTorch's.
_LATE = frozenset({"as_torch", "torch_version", "version"})

__all__ = [_name for _name in _names if not _name.startswith("_")]


def __getattr__(name):
    if name in _LATE:
        return _importlib.import_module(f"kuai.{name}")
    raise AttributeError(f"module 'kuai' has no attribute {name!r}")
