"""`kuai.distributed.nn`: exchanges that gradients go through."""

from kuai.distributed.nn import functional as functional
from kuai.standin.refusing import refused_class

__all__ = ["RemoteModule", "functional"]

RemoteModule = refused_class(
    "torch.distributed.nn.RemoteModule",
    "Kuai's processes do not exchange tensors",
    "Use the module itself",
)
