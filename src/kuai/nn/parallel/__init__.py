"""PyTorch's import path for modules that run on several devices."""

from kuai.nn.parallel import (
    comm as comm,
    distributed as distributed,
)
from kuai.nn.parallel.data_parallel import (
    DataParallel as DataParallel,
    DistributedDataParallel as DistributedDataParallel,
    data_parallel as data_parallel,
)
from kuai.nn.parallel.parallel_apply import parallel_apply as parallel_apply
from kuai.nn.parallel.replicate import replicate as replicate
from kuai.nn.parallel.scatter_gather import gather as gather, scatter as scatter

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]
