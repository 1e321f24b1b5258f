"""`kuai.cuda`: what PyTorch programs ask about GPUs."""

import contextlib
from typing import Any, NamedTuple

from kuai.cuda import amp as amp
from kuai.cuda.graphs import CUDAGraph, graph, make_graphed_callables
from kuai.engine.late import late as _late
from kuai.engine.tensor import devices, randomness
from kuai.engine.tensor.devices import device
from kuai.errors import OutOfMemoryError
from kuai.ops.native.library import give_back_allocations
from kuai.streams import Event as _Event, Stream, StreamContext, stream

__all__ = [
    "CUDAGraph",
    "Event",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "can_device_access_peer",
    "current_stream",
    "default_stream",
    "get_arch_list",
    "get_device_capability",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "graph",
    "init",
    "initial_seed",
    "ipc_collect",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "make_graphed_callables",
    "max_memory_cached",
    "max_memory_reserved",
    "mem_get_info",
    "memory_cached",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_max_memory_allocated",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "set_device",
    "synchronize",
]

#: Modules that are loaded when they are first asked for.
__getattr__, __dir__ = _late(
    "kuai.cuda",
    (
        "_utils", "comm", "memory", "monitoring", "nccl", "nvtx", "profiler", "random", "streams",
        "tensor_types",
    ),
    {
        f"{_name}Tensor": "tensor_types"
        for _name in (
            "BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short",
        )
    }
    | dict.fromkeys(
        (
            "CUDAPluggableAllocator", "ExternalStream", "MemPool", "caching_allocator_alloc",
            "caching_allocator_delete", "caching_allocator_enable", "change_current_allocator",
            "clock_rate", "cudart", "current_blas_handle", "current_solver_handle",
            "default_generators", "device_memory_used", "get_allocator_backend",
            "get_gencode_flags", "get_per_process_memory_fraction", "get_stream_from_external",
            "get_sync_debug_mode", "has_half", "has_magma", "host_memory_stats",
            "is_tf32_supported", "list_gpu_processes", "memory_snapshot", "memory_usage",
            "power_draw", "reset_accumulated_host_memory_stats", "reset_peak_host_memory_stats",
            "set_sync_debug_mode", "temperature", "utilization",
        ),
        "monitoring",
    ),
)  # fmt: skip


def device_count() -> int:
    """How many GPUs this process can use.

    Example:
        >>> kuai.cuda.device_count() >= 0
        True
    """
    return devices.device_count("cuda")


def is_available() -> bool:
    """Whether there is a GPU.

    Example:
        >>> kuai.cuda.is_available() == (kuai.cuda.device_count() > 0)
        True
    """
    return device_count() > 0


def current_device() -> int:
    """The number of the GPU that `'cuda'` without a number means."""
    devices.jax_device("cuda")  # raises if there is none
    return 0


def set_device(device) -> None:
    """Choose the GPU that `'cuda'` without a number means; only 0 can be chosen.

    Differs from PyTorch: name the device instead, or use `kuai.set_default_device`.
    """
    index = devices.device(device).index or 0
    if index != current_device():
        raise RuntimeError(f"name the device instead: kuai.set_default_device('cuda:{index}')")


def get_device_name(device=None) -> str:
    """What the maker calls a GPU."""
    return devices.jax_device("cuda" if device is None else device).device_kind


def synchronize(device=None) -> None:
    """Wait until everything that was asked of a GPU has been done."""
    devices.wait_for("cuda" if device is None else device)


def empty_cache() -> None:
    """Give back the memory of the CPU that is kept for the next program; a GPU's is XLA's."""
    give_back_allocations()


def memory_allocated(device=None) -> int:
    """How many bytes on a GPU are in use."""
    return _memory(device, "bytes_in_use")


def max_memory_allocated(device=None) -> int:
    """How many bytes on a GPU have been in use at most."""
    return _memory(device, "peak_bytes_in_use")


def _memory(device, what) -> int:
    if not is_available():
        return 0
    found = devices.jax_device("cuda" if device is None else device).memory_stats()
    return (found or {}).get(what, 0)


def manual_seed(seed: int) -> None:
    """Start the random numbers anew from `seed`; the generator is the same for all devices."""
    randomness.manual_seed(seed)


manual_seed_all = manual_seed


# What a GPU is ------------------------------------------------------------------------------------


class _Properties(NamedTuple):
    """What is known about a GPU."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int


def get_device_properties(device: Any = None) -> _Properties:
    """Name, compute capability, memory and processors of a GPU."""
    found = devices.jax_device("cuda" if device is None else device)
    major, minor = _capability(found)
    total = (found.memory_stats() or {}).get("bytes_limit", 0)
    return _Properties(found.device_kind, major, minor, total, getattr(found, "core_count", 0))


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability of a GPU, such as (9, 0)."""
    return _capability(devices.jax_device("cuda" if device is None else device))


def _capability(found) -> tuple[int, int]:
    major, _, minor = str(getattr(found, "compute_capability", "0.0")).partition(".")
    return int(major), int(minor or 0)


def get_arch_list() -> list[str]:
    """The architectures that code was compiled for before: none, XLA compiles for the one there."""
    return []


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """False: copies between GPUs are JAX's affair."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a GPU computes in bfloat16."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def init() -> None:
    """Does nothing: JAX finds its devices when they are needed."""


def is_initialized() -> bool:
    """Whether there is a GPU."""
    return is_available()


def _is_in_bad_fork() -> bool:
    return False


# Streams ------------------------------------------------------------------------------------------


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes to: XLA has one for each device."""
    return Stream("cuda" if device is None else device)


default_stream = current_stream


def set_stream(stream: Stream) -> None:
    """Does nothing: XLA orders the work itself."""


def is_current_stream_capturing() -> bool:
    """Whether a CUDA graph is being captured: never."""
    return False


class device_of(contextlib.nullcontext):
    """A context that changes nothing; operations run where their tensors lie."""

    def __init__(self, obj):
        super().__init__(obj)


class Event(_Event):
    """A moment in the work of a GPU; two of them measure time, see `kuai.Event`."""

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, external=False):
        super().__init__("cuda", enable_timing=enable_timing)


# Memory -------------------------------------------------------------------------------------------


def memory_stats(device: Any = None) -> dict[str, int]:
    """What JAX knows about a GPU's memory, under PyTorch's names where it has them."""
    found = {}
    if is_available():
        found = devices.jax_device("cuda" if device is None else device).memory_stats() or {}
    names = {
        "allocated_bytes.all.current": "bytes_in_use",
        "allocated_bytes.all.peak": "peak_bytes_in_use",
        "reserved_bytes.all.current": "bytes_reserved",
    }
    return {**found, **{name: found.get(ours, 0) for name, ours in names.items()}}


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The same as text."""
    return "\n".join(f"{name}: {size:,}" for name, size in memory_stats(device).items())


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes that are free and all bytes of a GPU, as far as JAX may use them."""
    total = _memory(device, "bytes_limit")
    return total - _memory(device, "bytes_in_use"), total


def memory_reserved(device: Any = None) -> int:
    """How many bytes JAX has taken from a GPU."""
    return _memory(device, "bytes_reserved")


def max_memory_reserved(device: Any = None) -> int:
    """How many bytes JAX may take from a GPU."""
    return _memory(device, "bytes_reservable_limit")


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def reset_peak_memory_stats(device: Any = None) -> None:
    """Does nothing: JAX counts from the start of the process."""


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
reset_accumulated_memory_stats = reset_peak_memory_stats


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """An error: JAX reads it from the environment, once.

    Raises:
        RuntimeError: always; it says what to set.
    """
    raise RuntimeError(
        f"set XLA_PYTHON_CLIENT_MEM_FRACTION={fraction} in the environment, before the program "
        "starts"
    )


def ipc_collect() -> None:
    """Does nothing: no memory is shared with other processes."""


# Randomness ---------------------------------------------------------------------------------------


def get_rng_state(device: Any = "cuda"):
    """The state of a GPU's generator."""
    return randomness.generator_of(device).get_state()


def set_rng_state(new_state, device: Any = "cuda") -> None:
    """Put a GPU's generator into a state."""
    randomness.generator_of(device).set_state(new_state)


def get_rng_state_all() -> list:
    """The states of all GPUs' generators."""
    return [get_rng_state(f"cuda:{number}") for number in range(device_count())]


def set_rng_state_all(new_states) -> None:
    """Put all GPUs' generators into these states."""
    for number, state in enumerate(new_states):
        set_rng_state(state, f"cuda:{number}")


def seed() -> None:
    """Start the random numbers anew from somewhere."""
    randomness.seed()


seed_all = seed


def initial_seed() -> int:
    """The number that the generator started from."""
    return randomness.initial_seed()
