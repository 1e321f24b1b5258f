"""How precisely matrices are multiplied, and whether results repeat: `kuai.set_…` switches."""

import os
import warnings

import jax

from kuai.engine.tensor.overriding import named

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_num_threads",
    "use_deterministic_algorithms",
]

#: PyTorch's names, and JAX's.
_PRECISIONS = {"highest": "highest", "high": "tensorfloat32", "medium": "bfloat16"}
_chosen = {"precision": "highest", "deterministic": False, "warn": False, "debug": 0}
_threads = {"within": 0, "between": 0}


def set_float32_matmul_precision(precision: str) -> None:
    """How precisely float32 matrices are multiplied, and convolved, on accelerators.

    Args:
        precision: "highest" for float32, "high" for TensorFloat32 or three bfloat16 products,
            "medium" for bfloat16.

    Example:
        >>> kuai.set_float32_matmul_precision("high")
        >>> kuai.get_float32_matmul_precision()
        'high'
        >>> kuai.set_float32_matmul_precision("highest")
    """
    if precision not in _PRECISIONS:
        text = f"{precision} is not one of 'highest', 'high', or 'medium'; the current"
        warnings.warn(text + "setFloat32MatmulPrecision call has no effect.", stacklevel=2)
        return
    _chosen["precision"] = precision
    jax.config.update("jax_default_matmul_precision", _PRECISIONS[precision])


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was given; "highest" before."""
    return _chosen["precision"]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Note the choice. On CPU and TPU results repeat in any case; for GPUs set
    `XLA_FLAGS=--xla_gpu_deterministic_ops=true` before the program starts.

    Example:
        >>> kuai.use_deterministic_algorithms(True)
        >>> kuai.are_deterministic_algorithms_enabled()
        True
        >>> kuai.use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(
            "_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not "
            f"{named(type(mode))}"
        )
    _chosen.update(deterministic=mode, warn=warn_only, debug=(1 if warn_only else 2) if mode else 0)


def are_deterministic_algorithms_enabled() -> bool:
    """The choice that was noted."""
    return bool(_chosen["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """The choice that was noted."""
    return bool(_chosen["warn"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same choice as a number or a word: 0 "default", 1 "warn", 2 "error"."""
    words = {"default": 0, "warn": 1, "error": 2}
    level = words.get(debug_mode, debug_mode) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected `default`, `warn`, `error`, but got {level}"
        )
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """The choice as a number."""
    return int(_chosen["debug"])


def set_num_threads(num: int) -> None:
    """Note the number; XLA's threads are as many as the process may use processors."""
    _threads["within"] = _positive(num, "set_num_threads")


def get_num_threads() -> int:
    """The number that was noted, or else the number of processors."""
    return _threads["within"] or _processors()


def set_num_interop_threads(num: int) -> None:
    """Note the number, as `set_num_threads`."""
    _threads["between"] = _positive(num, "set_num_interop_threads")


def get_num_interop_threads() -> int:
    """The number that was noted, or else the number of processors."""
    return _threads["between"] or _processors()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive(number, name):
    if not isinstance(number, int):
        raise RuntimeError(f"{name} expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"{name} expects a positive integer")
    return number


def set_flush_denormal(mode: bool) -> bool:
    """False: XLA decides it when it compiles."""
    return False
