"""`kuai.backends.cuda`: switches for GPUs, as programs set them.

`matmul.allow_tf32` has an effect: it is the precision of `kuai.set_float32_matmul_precision`.
"""

import contextlib

from kuai.engine.tensor import devices
from kuai.ops.nn.attention_choices import SDPBackend as SDPBackend
from kuai.precision import get_float32_matmul_precision, set_float32_matmul_precision
from kuai.standin.refusing import refused_class

__all__ = [
    "enable_flash_sdp",
    "enable_math_sdp",
    "enable_mem_efficient_sdp",
    "flash_sdp_enabled",
    "is_built",
    "math_sdp_enabled",
    "matmul",
    "mem_efficient_sdp_enabled",
    "preferred_linalg_library",
    "sdp_kernel",
]

_kernels = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


class _Matmul:
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 matrices are multiplied in fewer bits."""
        return get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        set_float32_matmul_precision("high" if allowed else "highest")


matmul = _Matmul()


def is_built() -> bool:
    """Whether JAX has a GPU here.

    Example:
        >>> kuai.backends.cuda.is_built() == kuai.cuda.is_available()
        True
    """
    return devices.device_count("cuda") > 0


def _enable(kind):
    def enable(enabled: bool) -> None:
        """Note the choice; how attention is computed, XLA decides."""
        _kernels[kind] = enabled

    return enable


def _enabled(kind):
    def is_enabled() -> bool:
        """The choice that was noted."""
        return _kernels[kind]

    return is_enabled


enable_flash_sdp, flash_sdp_enabled = _enable("flash"), _enabled("flash")
enable_mem_efficient_sdp = _enable("mem_efficient")
mem_efficient_sdp_enabled = _enabled("mem_efficient")
enable_math_sdp, math_sdp_enabled = _enable("math"), _enabled("math")
enable_cudnn_sdp, cudnn_sdp_enabled = _enable("cudnn"), _enabled("cudnn")


def preferred_linalg_library(backend=None) -> str:
    """The library of linear algebra on GPUs: JAX chooses."""
    return "default"


def preferred_blas_library(backend=None) -> str:
    """The library of products on GPUs: XLA chooses."""
    return "default"


def preferred_rocm_fa_library(backend=None) -> str:
    """The attention kernels of AMD's GPUs: XLA chooses."""
    return "default"


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """Whether attention adds 16-bit numbers in 16 bits: no, in float32."""
    return False


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Accepted: attention adds in float32."""


class _PlanCache:
    """Plans of Fourier transforms: XLA keeps them, a program cannot count them."""

    size = 0
    max_size = 0

    def clear(self) -> None:
        """Nothing is there to be thrown away."""

    def __getitem__(self, device) -> "_PlanCache":
        return self


cufft_plan_cache = _PlanCache()


def is_flash_attention_available() -> bool:
    """Whether there is a flash attention kernel of PyTorch's: no."""
    return False


@contextlib.contextmanager
def sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """A context with other choices of attention kernels; results are the same."""
    before = dict(_kernels)
    _kernels.update(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )
    try:
        yield
    finally:
        _kernels.update(before)


SDPAParams = refused_class(
    "torch.backends.cuda.SDPAParams", "XLA decides how attention is computed", "Leave it out"
)


def can_use_flash_attention(params, debug: bool = False) -> bool:
    """Whether a flash attention kernel of PyTorch's can be used: no."""
    return False


can_use_efficient_attention = can_use_cudnn_attention = can_use_flash_attention
