"""`kuai.backends`: the libraries that Kuai computes with besides XLA, and PyTorch's switches."""

from kuai.backends import (
    cpu,
    cuda,
    cudnn,
    mha,
    mkl,
    mkldnn,
    mps,
    nnpack,
    openmp,
    opt_einsum,
    quantized,
    xeon,
    xnnpack,
)

__all__ = [
    "cpu",
    "cuda",
    "cudnn",
    "fp32_precision",
    "mha",
    "mkl",
    "mkldnn",
    "mps",
    "nnpack",
    "openmp",
    "opt_einsum",
    "quantized",
    "xeon",
    "xnnpack",
]

fp32_precision = "none"
