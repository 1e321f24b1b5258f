"""`kuai.cuda.nccl`: exchanges between GPUs, which XLA makes itself."""

from typing import Any

from kuai.standin.refusing import refused

__all__ = ["all_gather", "all_reduce", "broadcast", "is_available", "reduce", "reduce_scatter",
           "version"]  # fmt: skip

_WHY = "XLA exchanges data between GPUs itself", "Use kuai.nn.parallel.comm"
all_reduce = refused("torch.cuda.nccl.all_reduce", *_WHY)
all_gather = refused("torch.cuda.nccl.all_gather", *_WHY)
broadcast = refused("torch.cuda.nccl.broadcast", *_WHY)
reduce = refused("torch.cuda.nccl.reduce", *_WHY)
reduce_scatter = refused("torch.cuda.nccl.reduce_scatter", *_WHY)


def is_available(tensors: Any) -> bool:
    """Whether PyTorch's functions of NCCL are there: no."""
    return False


def version() -> tuple[int, int, int]:
    """The version of NCCL: none."""
    return (0, 0, 0)
