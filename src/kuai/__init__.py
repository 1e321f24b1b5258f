"""Kuai: PyTorch's building blocks and programming model, standing on their own on JAX/XLA."""

# ruff: noqa: F401, E402 - a face: it imports to export, and JAX's switches come first

import importlib as _importlib
import sys as _sys

from kuai.engine import collector as _collector, settings as _settings

_settings.apply()

with _collector.resting():  # what these import is most of the package
    from kuai import nn, storage
    from kuai.ops.table import FUNCTIONS as _FUNCTIONS

from kuai.engine.autograd import backward as _backward  # Tensor.backward
from kuai.engine.compile.compiler import compile, fused
from kuai.engine.compile.knowledge import later as _later
from kuai.engine.compile.shapes import infer_shapes
from kuai.engine.op.autocast import (
    autocast,
    get_autocast_dtype,
    is_autocast_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)
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
from kuai.ops.array.sequences import TYPED as _TYPED

__version__ = "0.1.0"

_names = globals()
_names.update({_dtype.name: _dtype for _dtype in _dtypes.DTYPES})
_names.update({_dtype.name: _dtype for _dtype in _dtypes.NAMES})
_names.update(
    float=_dtypes.float32,
    double=_dtypes.float64,
    half=_dtypes.float16,
    long=_dtypes.int64,
    int=_dtypes.int32,
    short=_dtypes.int16,
    chalf=_dtypes.complex32,
    cfloat=_dtypes.complex64,
    cdouble=_dtypes.complex128,
)
_names.update(_FUNCTIONS)
_names.update(_TYPED)
from math import e, inf, nan, pi

newaxis = None

from kuai.engine.late import by_name as _by_name, late as _late
from kuai.engine.tensor.formats import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    jagged,
    layout,
    legacy_contiguous_format,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)

#: Public modules that are imported when somebody first asks for them: `import kuai` stays quick.
_FAMILIES = (
    "amp", "autograd", "backends", "compiler", "cuda", "data", "distributions", "fft", "func",
    "linalg", "masked", "onnx", "optim", "precision", "profiler", "random", "saving", "signal",
    "sparse", "special", "testing", "utils", "vision",
)  # fmt: skip
#: Import paths of PyTorch's that are loaded when they are first asked for.
_LATE = frozenset(
    {
        "_C", "_VF", "__config__", "_classes", "_custom_ops", "_dynamo", "_functorch",
        "_higher_order_ops", "_jit_internal",
        "_linalg_utils", "_lowrank", "_ops", "_prims_common", "_tensor", "_tensor_str", "_utils",
        "accelerator", "ao", "as_torch", "cpu", "distributed",
        "functional", "futures", "fx", "hub", "jit", "library", "mps", "mtia", "multiprocessing",
        "overrides",
        "quantization", "quasirandom", "return_types", "serialization", "torch_version",
        "types", "version", "xpu", *_FAMILIES,
    }
)  # fmt: skip
#: Names that are loaded when they are first asked for, by the module that has them.
_LATE_NAMES = {
    "_C": (
        "AnyType", "BoolType", "DeviceObjType", "FloatType", "IntType", "JITException", "NoneType",
        "NumberType", "PyTorchFileReader", "StringType", "TensorType",
        "DisableTorchFunction", "DisableTorchFunctionSubclass", "Graph", "Node", "Value",
    ),
    "buffers": ("from_file", "frombuffer"),
    "checking": (
        "_assert", "_assert_async", "_check", "_check_index", "_check_is_size",
        "_check_not_implemented", "_check_tensor_all", "_check_type", "_check_value", "_check_with",
    ),
    "amp": ("GradScaler",),
    "errors": ("AcceleratorError", "OutOfMemoryError"),
    "layer_functions": (
        "affine_grid_generator", "alpha_dropout", "alpha_dropout_", "batch_norm",
        "binary_cross_entropy_with_logits", "convolution", "cosine_embedding_loss", "ctc_loss",
        "dropout", "dropout_", "embedding", "embedding_bag", "embedding_renorm_",
        "feature_alpha_dropout", "feature_alpha_dropout_", "feature_dropout", "feature_dropout_",
        "grid_sampler", "grid_sampler_2d", "grid_sampler_3d",
        "group_norm", "gru_cell", "hinge_embedding_loss", "instance_norm", "kl_div",
        "layer_norm", "lstm_cell", "margin_ranking_loss", "max_pool1d_with_indices",
        "native_batch_norm", "native_dropout", "native_group_norm", "native_layer_norm",
        "poisson_nll_loss", "rms_norm", "rnn_relu_cell", "rnn_tanh_cell", "triplet_margin_loss",
    ),
    "library": ("Tag",),
    "precision": (
        "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode",
        "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads",
        "is_deterministic_algorithms_warn_only_enabled", "set_deterministic_debug_mode",
        "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads",
        "set_num_threads", "use_deterministic_algorithms",
    ),
    "queries": (
        "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
        "compiled_with_cxx11_abi", "get_autocast_cpu_dtype", "get_autocast_gpu_dtype",
        "get_device_module", "has_lapack", "has_mkl", "has_openmp", "has_spectral",
        "is_distributed", "is_autocast_cache_enabled", "is_autocast_cpu_enabled", "is_storage",
        "is_vulkan_available", "is_warn_always_enabled", "set_autocast_cache_enabled",
        "set_autocast_cpu_dtype", "set_autocast_cpu_enabled", "set_autocast_gpu_dtype",
        "set_warn_always", "typename",
    ),
    "_classes": ("classes",),
    "default_types": ("set_default_tensor_type",),
    "futures": ("Future",),
    "jit": ("ScriptFunction", "ScriptModule", "fork", "wait"),
    "recurrent_functions": ("gru", "lstm", "rnn_relu", "rnn_tanh"),
    "engine.tensor.formats": (
        "per_channel_affine", "per_channel_affine_float_qparams", "per_channel_symmetric",
        "per_tensor_affine", "per_tensor_symmetric", "qscheme",
    ),
    "removed": ("eig", "lstsq", "matrix_rank", "solve", "symeig"),
    "storage": ("TypedStorage", "UntypedStorage"),
    "storage_kinds": (
        "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage",
        "ComplexFloatStorage", "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage",
        "LongStorage", "ShortStorage", "Storage",
    ),
    "sparse": (
        "hspmm", "smm", "sparse_coo_tensor", "sparse_csc_tensor", "sparse_csr_tensor",
        "sspaddmm",
    ),
    "streams": ("Event", "Stream"),
    "utils.dlpack": ("to_dlpack",),
    "symbolic": (
        "SymBool", "SymFloat", "SymInt", "sym_float", "sym_int", "sym_ite", "sym_max", "sym_min",
        "sym_not", "sym_sqrt", "sym_sum",
    ),
}  # fmt: skip
#: Names of the same kind that `from kuai import *` gives, too.
_LATE_PUBLIC = {
    "func": ("vmap",),
    "interop": ("from_torch", "to_torch"),
    "nn.watching.debugging": ("debug", "is_anomaly_check_nan_enabled", "is_anomaly_enabled"),
    "nn.watching.profiling": ("profile",),
    "saving": (
        "Checkpointer", "export", "load", "load_exported", "load_file", "safe_open", "save",
        "save_file",
    ),
}  # fmt: skip
_HOMES = _by_name(_LATE_NAMES)
_PUBLIC_HOMES = _by_name(_LATE_PUBLIC)

__all__ = [
    *(_name for _name in _names if not _name.startswith("_")),
    *_FAMILIES,
    *_PUBLIC_HOMES,
]

_later(lambda: _importlib.import_module("kuai.nn.watching.proof").describe_modules())
_later(lambda: _importlib.import_module("kuai.optim.lr_scheduler.proof").describe_schedulers())
_later(lambda: _importlib.import_module("kuai.amp.proof").describe_scalers())

_find, __dir__ = _late("kuai", _LATE, {**_HOMES, **_PUBLIC_HOMES})


def __getattr__(name):
    if name == "set_vital":  # not listed, and loaders of packages call it
        return _importlib.import_module("kuai.removed").set_vital()
    if name in ("has_cuda", "has_cudnn", "has_mps"):
        return _importlib.import_module("kuai.removed").answer(name)
    if not name.startswith("_foreach_"):
        return _find(name)
    _names[name] = _importlib.import_module("kuai.foreach").foreach(name)
    return _names[name]


def _library(name):
    """`kuai.ops.<library>`: `kuai.library`, once it is loaded, takes this function's place."""
    loaded = "kuai.library" in _sys.modules
    if loaded or name.startswith("__"):
        raise AttributeError(f"module 'kuai.ops' has no attribute {name!r}")
    _importlib.import_module("kuai.library")
    return getattr(_sys.modules["kuai.ops"], name)


setattr(_sys.modules["kuai.ops"], "__getattr__", _library)  # noqa: B010 - a module's hook
