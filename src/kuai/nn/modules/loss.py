"""The losses of regression and of distributions; PyTorch's path for all losses."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.modules.adaptive import LinearCrossEntropyLoss
from kuai.nn.modules.classification_loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    MultiLabelSoftMarginLoss,
    NLLLoss,
    SoftMarginLoss,
)
from kuai.nn.modules.ctc_loss import CTCLoss
from kuai.nn.modules.deprecated import NLLLoss2d
from kuai.nn.modules.loss_base import _Loss as _Loss, _WeightedLoss as _WeightedLoss
from kuai.nn.modules.margin_loss import (
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiMarginLoss,
)
from kuai.nn.modules.similarity_loss import (
    CosineEmbeddingLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class L1Loss(_Loss):
    """Mean absolute error: how far the input is from the target.

        |x − y|

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.L1Loss()(kuai.tensor([1.0, 2.0]), kuai.tensor([1.5, 4.0]))
        tensor(1.2500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """Mean squared error.

        (x − y)²

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> x, y = kuai.tensor([1.0, 2.0]), kuai.tensor([1.5, 4.0])
        >>> kuai.nn.MSELoss()(x, y)
        tensor(2.1250)
        >>> kuai.nn.MSELoss(reduction="none")(x, y)
        tensor([0.2500, 4.0000])
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared error near the target, absolute error farther off.

        (x − y)² / (2·beta) where |x − y| < beta, |x − y| − beta/2 elsewhere

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        beta: where the one goes over into the other; 0 is `L1Loss`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.SmoothL1Loss(reduction="none")(kuai.tensor([0.5, 3.0]), kuai.zeros(2))
        tensor([0.1250, 2.5000])

    Reference: Girshick, "Fast R-CNN", ICCV 2015.
    """

    def __init__(
        self,
        size_average=None,
        reduce=None,
        reduction="mean",
        beta=1.0,
    ):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Squared error up to delta, linear beyond: outliers pull with a bounded force.

        ½(x − y)² where |x − y| ≤ delta, delta·(|x − y| − delta/2) elsewhere

    It is delta times `SmoothL1Loss` with beta = delta.

    Args:
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        delta: where the one goes over into the other.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.HuberLoss(reduction="none", delta=2.0)(kuai.tensor([0.5, 3.0]), kuai.zeros(2))
        tensor([0.1250, 4.0000])

    Reference: Huber, "Robust estimation of a location parameter", 1964.
    """

    def __init__(
        self,
        reduction="mean",
        delta=1.0,
    ):
        if not isinstance(delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of counts under a Poisson distribution.

        eˣ − y·x        (log_input=False: x − y·log(x + eps))

    Args:
        log_input: the input is the logarithm of the expected count.
        full: add Stirling's approximation of log y!, y·log y − y + ½·log(2πy), where y > 1.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        eps: keeps the logarithm finite.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.PoissonNLLLoss()(kuai.tensor([0.0, 1.0]), kuai.tensor([1.0, 2.0]))
        tensor(0.8591)
    """

    def __init__(
        self,
        log_input=True,
        full=False,
        size_average=None,
        eps=1e-8,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood under normal distributions whose variance is predicted, too.

        ½·(log v + (x − y)² / v),   v = max(var, eps)

    Args:
        full: add the constant ½·log 2π.
        eps: the least variance; no gradient flows through this bound.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; `var` the same, without the last dimension, or with a last
        dimension of 1.

    Example:
        >>> x, y = kuai.tensor([1.0, 2.0]), kuai.tensor([1.5, 4.0])
        >>> kuai.nn.GaussianNLLLoss()(x, y, var=kuai.tensor([1.0, 4.0]))
        tensor(0.6591)

    Reference: Nix & Weigend, "Estimating the mean and variance of the target probability
    distribution", 1994.
    """

    def __init__(
        self,
        *,
        full=False,
        eps=1e-6,
        reduction="mean",
    ):
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence of a distribution from another.

        y·(log y − x),   x the logarithms of probabilities

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'batchmean'`, the sum over the batch size, is the definition; also `'mean'`
            over all elements, `'sum'`, `'none'`.
        log_target: the target is given as logarithms, too.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> log_p = kuai.log(kuai.tensor([[0.5, 0.5], [0.9, 0.1]]))
        >>> q = kuai.tensor([[0.5, 0.5], [0.5, 0.5]])
        >>> kuai.nn.KLDivLoss(reduction="batchmean")(log_p, q)
        tensor(0.2554)

    Reference: Kullback & Leibler, "On information and sufficiency", 1951.
    """

    def __init__(
        self,
        size_average=None,
        reduce=None,
        reduction="mean",
        log_target=False,
    ):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
