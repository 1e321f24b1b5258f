"""Distances and similarities between vectors."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """The distance between vectors along the last dimension.

        ‖x₁ − x₂ + eps‖ₚ

    Args:
        p: of the norm.
        eps: added to each difference, so that the derivative at 0 exists.
        keepdim: keep the last dimension, of size 1.

    Shape:
        `(N, D)` or `(D,)`, to `(N,)` or `()`.

    Example:
        >>> kuai.nn.PairwiseDistance()(kuai.zeros(1, 2), kuai.tensor([[3.0, 4.0]]))
        tensor([5.0000])
    """

    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `dim`.

        x₁·x₂ / (max(‖x₁‖, eps)·max(‖x₂‖, eps))

    Args:
        dim: the dimension of the vectors.
        eps: keeps the quotient finite.

    Shape:
        two that can be broadcast; `dim` goes.

    Example:
        >>> kuai.nn.CosineSimilarity()(kuai.tensor([[1.0, 0.0]]), kuai.tensor([[3.0, 4.0]]))
        tensor([0.6000])
    """

    def __init__(self, dim=1, eps=1e-8):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
