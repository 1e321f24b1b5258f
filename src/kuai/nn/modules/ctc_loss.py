"""CTCLoss: the loss of a sequence of labels that nobody has aligned."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.modules.loss_base import _Loss

__all__ = ["CTCLoss"]


class CTCLoss(_Loss):
    """Connectionist temporal classification: -log p(labels | x) over all alignments.

        −log Σ_π ∏_t p_t(π_t)        over all π that give the labels without blanks and repetitions

    Args:
        blank: the class that stands for no label.
        reduction: `'mean'` divides each loss by the number of its labels first, `'sum'`, `'none'`.
        zero_infinity: 0 for examples with more labels than their steps can have.

    Shape:
        log_probs `(T, N, C)` or `(T, C)`; targets `(N, S)` or all labels in one row; lengths `(N)`
        or `()`.

    Example:
        >>> log_probs = kuai.full((3, 1, 2), 0.5).log()
        >>> kuai.nn.CTCLoss()(log_probs, kuai.tensor([[1]]), (3,), (1,))
        tensor(0.2877)

    Reference: Graves et al., Connectionist temporal classification, 2006.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths, target_lengths) -> Tensor:
        """The loss of all alignments, reduced over the batch."""
        lengths = input_lengths, target_lengths
        options = self.blank, self.reduction, self.zero_infinity
        return F.ctc_loss(log_probs, targets, *lengths, *options)
