"""PyTorch's import path for modules that run on several devices."""

from kuai.nn.parallel.data_parallel import (
    DataParallel as DataParallel,
    DistributedDataParallel as DistributedDataParallel,
)

__all__ = ["DataParallel", "DistributedDataParallel"]
