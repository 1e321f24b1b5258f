"""PyTorch's file of how tensors come to other processes: they are pickled."""

from typing import Any

from kuai.engine.tensor import Tensor

__all__ = ["init_reductions", "reduce_tensor"]


def reduce_tensor(tensor: Tensor) -> tuple[Any, ...]:
    """What a tensor is pickled as.

    Example:
        >>> from kuai.multiprocessing.reductions import reduce_tensor
        >>> make, of = reduce_tensor(kuai.ones(2))[:2]
        >>> make(*of).shape
        torch.Size([2])
    """
    return tensor.__reduce_ex__(2)  # pyright: ignore[reportReturnType]


def init_reductions() -> None:
    """Does nothing: tensors say themselves how they are pickled."""
