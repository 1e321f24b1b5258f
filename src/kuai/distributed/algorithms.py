"""`kuai.distributed.algorithms`: PyTorch's communication hooks, which one process has no use for."""

__all__: list[str] = []
