"""What loss layers share."""

from kuai.nn.base.module import Module
from kuai.ops.nn.loss_reduction import legacy_reduction

__all__ = ["_Loss", "_WeightedLoss"]


class _Loss(Module):
    """A layer that turns `reduction`, or the old arguments for it, into one."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    """A loss with a weight, which is kept as a buffer."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
