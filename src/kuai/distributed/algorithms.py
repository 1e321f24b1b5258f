"""`kuai.distributed.algorithms`: PyTorch's communication hooks, of no use to one process."""

__all__: list[str] = []
