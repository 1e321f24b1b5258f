"""PyTorch's file of how tensors come to other processes.

A tensor in shared memory (`share_memory_`) is sent as that memory; of any other one a copy is sent.
"""

from kuai.ops.array.sharing import reduce_tensor, register

__all__ = ["init_reductions", "reduce_tensor"]


def init_reductions() -> None:
    """Have `multiprocessing` send tensors so; it does since `kuai.multiprocessing` was imported."""
    register()
