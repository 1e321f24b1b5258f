"""`kuai.distributed.nn`: exchanges that gradients go through."""

from kuai.distributed.nn import functional as functional
from kuai.distributed.nn.functional import (
    all_gather,
    all_reduce,
    all_to_all,
    all_to_all_single,
    broadcast,
    gather,
    reduce,
    reduce_scatter,
    scatter,
)
from kuai.standin.refusing import refused_class

__all__ = [
    "RemoteModule",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "broadcast",
    "functional",
    "gather",
    "reduce",
    "reduce_scatter",
    "scatter",
]

RemoteModule = refused_class(
    "torch.distributed.nn.RemoteModule",
    "Kuai's processes do not exchange tensors",
    "Use the module itself",
)
