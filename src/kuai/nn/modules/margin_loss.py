"""Losses of margins: a score should be larger than another by so much."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.modules.loss_base import _Loss, _WeightedLoss

__all__ = [
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiMarginLoss",
]


class HingeEmbeddingLoss(_Loss):
    """Small distances for pairs that belong together, large ones for others.

        x where y = 1, max(0, margin − x) where y = −1

    Args:
        margin: distances beyond it are large enough.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> distances = kuai.tensor([0.25, 0.25, 3.0])
        >>> kuai.nn.HingeEmbeddingLoss()(distances, kuai.tensor([1.0, -1.0, -1.0]))
        tensor(0.3333)
    """

    def __init__(
        self,
        margin=1.0,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """The first score should be larger than the second where y = 1, smaller where y = −1.

        max(0, −y·(x₁ − x₂) + margin)

    Args:
        margin: by how much.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        three of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> first, second = kuai.tensor([2.0, 0.0]), kuai.tensor([1.0, 1.0])
        >>> kuai.nn.MarginRankingLoss(reduction="none")(first, second, kuai.tensor([1.0, 1.0]))
        tensor([0., 1.])
    """

    def __init__(
        self,
        margin=0.0,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
    """The right class should score more than every other one, by a margin.

        Σ w_y·max(0, margin − x_y + xᵢ)ᵖ / C,   over all classes i other than y

    Args:
        p: 1 or 2.
        margin: by how much.
        weight: one number w for each class.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input `(N, C)` or `(C,)`, target `(N,)` or `()` of class indices.

    Example:
        >>> scores = kuai.tensor([[0.1, 0.2, 0.4, 0.8]])
        >>> kuai.nn.MultiMarginLoss()(scores, kuai.tensor([3]))
        tensor(0.3250)

    Reference: Crammer & Singer, "On the algorithmic implementation of multiclass kernel-based
    vector machines", 2001.
    """

    def __init__(
        self,
        p=1,
        margin=1.0,
        weight=None,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.ndim != 1:
            raise ValueError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, "
                f"got {weight.ndim}D instead"
            )
        super().__init__(weight, size_average, reduce, reduction)
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class MultiLabelMarginLoss(_Loss):
    """Each of several labels should score more than every other class, by a margin of 1.

        Σ max(0, 1 − x_y + xᵢ) / C,   over all labels y and all classes i that are no label

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target `(N, C)` or `(C,)`; a row's labels end at the first negative one.

    Example:
        >>> scores = kuai.tensor([[0.1, 0.2, 0.4, 0.8]])
        >>> kuai.nn.MultiLabelMarginLoss()(scores, kuai.tensor([[3, 0, -1, 1]]))  # labels 3 and 0
        tensor(0.8500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)
