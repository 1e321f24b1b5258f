"""PyTorch's file of `DistributedDataParallel`."""

from kuai.nn.parallel.data_parallel import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
