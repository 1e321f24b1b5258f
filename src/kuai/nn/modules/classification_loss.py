"""Losses of classifiers: negative log-likelihood and cross entropy, binary ones included."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.modules.loss_base import _Loss, _WeightedLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "MultiLabelSoftMarginLoss",
    "NLLLoss",
    "SoftMarginLoss",
]


class NLLLoss(_WeightedLoss):
    """Negative log-likelihood of the right class.

        −w_y·x_y,   x the logarithms of the probabilities

    The mean is weighted: Σ −w_y·x_y / Σ w_y, without the ignored ones.

    Args:
        weight: one number w for each class.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        ignore_index: targets of this class do not count.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input `(N, C)`, `(N, C, d₁, …)` or `(C,)`, target `(N,)`, `(N, d₁, …)` or `()`; a number, or
        the target's shape with `reduction='none'`.

    Example:
        >>> log_p = kuai.log(kuai.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
        >>> kuai.nn.NLLLoss()(log_p, kuai.tensor([0, 2]))
        tensor(0.4581)
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_WeightedLoss):
    """Cross entropy between scores and the right class; softmax is part of it.

        −w_y·log softmax(x)_y,   for probabilities p as target −Σ_c w_c·p_c·log softmax(x)_c

    The mean over classes as targets is weighted, as that of `NLLLoss`; over probabilities it is
    the mean over the batch.

    Args:
        weight: one number w for each class.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        ignore_index: targets of this class do not count.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        label_smoothing: how much of each target is spread over all classes.

    Shape:
        input `(N, C)`, `(N, C, d₁, …)` or `(C,)`, target `(N,)`, `(N, d₁, …)` or `()` of class
        indices, or of the input's shape with probabilities.

    Example:
        >>> scores = kuai.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> kuai.nn.CrossEntropyLoss()(scores, kuai.tensor([0, 2]))
        tensor(0.6691)
        >>> kuai.nn.CrossEntropyLoss(reduction="none")(scores, kuai.tensor([0, 2]))
        tensor([0.2395, 1.0986])

    Reference: label smoothing: Szegedy et al., "Rethinking the inception architecture", CVPR 2016.
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
        label_smoothing=0.0,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class BCELoss(_WeightedLoss):
    """Binary cross entropy of probabilities.

        −w·(y·log x + (1 − y)·log(1 − x)),   with logarithms of at least −100

    From scores `BCEWithLogitsLoss` computes it more precisely.

    Args:
        weight: numbers w that can be broadcast to the input.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.BCELoss()(kuai.tensor([0.9, 0.5]), kuai.tensor([1.0, 0.0]))
        tensor(0.3993)
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of scores; the sigmoid is part of it, so nothing overflows.

        −w·(p·y·log σ(x) + (1 − y)·log(1 − σ(x)))

    Args:
        weight: numbers w that can be broadcast to the input.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        pos_weight: numbers p > 1 raise recall, p < 1 precision; one for each class.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.BCEWithLogitsLoss()(kuai.tensor([0.0, 2.0]), kuai.tensor([1.0, 1.0]))
        tensor(0.4100)
        >>> kuai.nn.BCEWithLogitsLoss()(kuai.tensor([-200.0]), kuai.tensor([1.0]))
        tensor(200.)
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        reduce=None,
        reduction="mean",
        pos_weight=None,
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class SoftMarginLoss(_Loss):
    """Logistic loss of two classes called 1 and −1.

        log(1 + e^(−y·x))

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.SoftMarginLoss()(kuai.tensor([0.0, 2.0]), kuai.tensor([1.0, -1.0]))
        tensor(1.4100)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over classes of binary cross entropies of scores.

        −Σ_c w_c·(y_c·log σ(x_c) + (1 − y_c)·log σ(−x_c)) / C

    Args:
        weight: one number w for each class.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target `(N, C)`; a number, or `(N,)` with `reduction='none'`.

    Example:
        >>> scores = kuai.tensor([[0.0, 2.0]])
        >>> kuai.nn.MultiLabelSoftMarginLoss()(scores, kuai.tensor([[1.0, 0.0]]))
        tensor(1.4100)
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )
