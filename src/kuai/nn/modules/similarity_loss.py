"""Losses made of distances and similarities between vectors."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.modules.distance import PairwiseDistance
from kuai.nn.modules.loss_base import _Loss

__all__ = [
    "CosineEmbeddingLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class CosineEmbeddingLoss(_Loss):
    """Like directions for pairs that belong together, unlike ones for others.

        1 − cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) − margin) where y = −1

    Args:
        margin: cosines up to it are small enough; between −1 and 1.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        inputs `(N, D)` or `(D,)`, target `(N,)` or `()`.

    Example:
        >>> a, b = kuai.tensor([[1.0, 0.0], [1.0, 1.0]]), kuai.tensor([[0.0, 1.0], [2.0, 2.0]])
        >>> loss = kuai.nn.CosineEmbeddingLoss(reduction="none")
        >>> loss(a, b, kuai.tensor([1.0, -1.0]))
        tensor([1., 1.])
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
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """The anchor should lie nearer to the positive than to the negative, by a margin.

        max(0, ‖a − p‖ − ‖a − n‖ + margin)

    Args:
        margin: by how much.
        p: of the norm.
        eps: added to each difference.
        swap: take the negative's distance from the positive, if that is smaller.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        three of `(N, D)` or `(D,)`; a number, or `(N,)` or `()` with `reduction='none'`.

    Example:
        >>> near, far = kuai.tensor([[0.0, 1.0]]), kuai.tensor([[3.0, 4.0]])
        >>> loss = kuai.nn.TripletMarginLoss()
        >>> loss(kuai.zeros(1, 2), near, far)
        tensor(0.)
        >>> loss(kuai.zeros(1, 2), far, near)
        tensor(5.0000)

    Reference: Balntas et al., "Learning local feature descriptors with triplets and shallow
    convolutional neural networks", BMVC 2016.
    """

    def __init__(
        self,
        margin=1.0,
        p=2.0,
        eps=1e-6,
        swap=False,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        if margin <= 0:
            raise ValueError(
                f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead"
            )
        super().__init__(size_average, reduce, reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` with a distance of your own.

        max(0, d(a, p) − d(a, n) + margin)

    Args:
        distance_function: d; takes two tensors. By default `PairwiseDistance()`.
        margin: by how much.
        swap: take the negative's distance from the positive, if that is smaller.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        three of one shape that the distance takes.

    Example:
        >>> loss = kuai.nn.TripletMarginWithDistanceLoss(
        ...     distance_function=lambda x, y: (x - y).abs().amax(dim=-1)
        ... )
        >>> near, far = kuai.tensor([[0.0, 1.0]]), kuai.tensor([[1.5, 1.0]])
        >>> loss(kuai.zeros(1, 2), near, far)
        tensor(0.5000)
    """

    def __init__(
        self,
        *,
        distance_function=None,
        margin=1.0,
        swap=False,
        reduction="mean",
    ):
        if margin <= 0:
            raise ValueError(
                "TripletMarginWithDistanceLoss: expected margin to be greater than 0, "
                f"got {margin} instead"
            )
        super().__init__(reduction=reduction)
        given = distance_function is not None
        self.distance_function = distance_function if given else PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
