"""`kuai.distributed.tensor`: PyTorch's tensors that are divided between processes; nothing is one.

Kuai divides the work of one program between devices with JAX's shardings.
"""

from kuai.distributed.device_mesh import DeviceMesh, init_device_mesh
from kuai.distributed.tensor.placement_types import Partial, Placement, Replicate, Shard
from kuai.standin.refusing import refused, refused_class

__all__ = [
    "DTensor",
    "DeviceMesh",
    "Partial",
    "Placement",
    "Replicate",
    "Shard",
    "distribute_module",
    "distribute_tensor",
    "init_device_mesh",
]

_WHY = (
    "Kuai's processes do not exchange tensors",
    "Divide the data of one program between devices instead",
)
DTensor = refused_class("torch.distributed.tensor.DTensor", *_WHY)
distribute_tensor = refused("torch.distributed.tensor.distribute_tensor", *_WHY)
distribute_module = refused("torch.distributed.tensor.distribute_module", *_WHY)
