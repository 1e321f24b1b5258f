"""`kuai.distributed.device_mesh`: PyTorch's grids of processes, which are refused."""

from kuai.distributed.tensor import DeviceMesh, init_device_mesh

__all__ = ["DeviceMesh", "init_device_mesh"]
