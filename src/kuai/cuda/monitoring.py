"""What programs ask of a GPU besides its memory, and PyTorch's own allocator, which is not here."""

from typing import Any

from kuai.engine.tensor import devices
from kuai.standin.refusing import refused, refused_class

_TOOL = "JAX does not read a GPU's sensors", "Use nvidia-smi, or its Python package pynvml"
_ALLOCATOR = "XLA takes and gives back a GPU's memory", "Leave it out"
_OWN = "XLA calls CUDA itself", "Leave it out"

has_half = True
has_magma = False
default_generators = ()


def get_sync_debug_mode() -> int:
    """0: nobody is told where a program waits for a GPU; `kuai.fused` can explain that.

    Example:
        >>> kuai.cuda.get_sync_debug_mode()
        0
    """
    return 0


def set_sync_debug_mode(debug_mode: Any) -> None:
    """Accepted, and changes nothing."""


def is_tf32_supported() -> bool:
    """Whether a GPU has TensorFloat32."""
    if not devices.device_count("cuda"):
        return False
    capability = getattr(devices.jax_device("cuda"), "compute_capability", "0")
    return int(str(capability).partition(".")[0]) >= 8


def get_gencode_flags() -> str:
    """Options for a compiler of CUDA: none, XLA compiles for the device that is there."""
    return ""


def get_allocator_backend() -> str:
    """What gives a GPU's memory: XLA."""
    return "xla"


def memory_snapshot(*args: Any, **kwargs: Any) -> list:
    """Pieces of a GPU's memory: XLA does not tell of them."""
    return []


def host_memory_stats() -> dict[str, int]:
    """What is known of memory on the host for copies to a GPU: nothing."""
    return {}


reset_accumulated_host_memory_stats = reset_peak_host_memory_stats = host_memory_stats

_SENSORS = (
    "clock_rate",
    "device_memory_used",
    "list_gpu_processes",
    "memory_usage",
    "power_draw",
    "temperature",
    "utilization",
)
_FUNCTIONS = (
    "caching_allocator_alloc",
    "caching_allocator_delete",
    "caching_allocator_enable",
    "change_current_allocator",
    "get_per_process_memory_fraction",
)
_HANDLES = ("cudart", "current_blas_handle", "current_solver_handle", "get_stream_from_external")
_CLASSES = ("CUDAPluggableAllocator", "ExternalStream", "MemPool")

for _names, _why in ((_SENSORS, _TOOL), (_FUNCTIONS, _ALLOCATOR), (_HANDLES, _OWN)):
    for _name in _names:
        globals()[_name] = refused(f"torch.cuda.{_name}", *_why)
for _name in _CLASSES:
    globals()[_name] = refused_class(f"torch.cuda.{_name}", *_ALLOCATOR)
