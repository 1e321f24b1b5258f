"""Learning rate schedulers: how a learning rate changes from epoch to epoch."""

from kuai.engine.late import elsewhere as _elsewhere
from kuai.optim.lr_scheduler.base import (
    EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING,
    LRScheduler,
)
from kuai.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from kuai.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from kuai.optim.lr_scheduler.cyclic import CyclicLR
from kuai.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from kuai.optim.lr_scheduler.function import LambdaLR, MultiplicativeLR
from kuai.optim.lr_scheduler.one_cycle import OneCycleLR
from kuai.optim.lr_scheduler.plateau import ReduceLROnPlateau
from kuai.optim.optimizer import Optimizer as Optimizer  # own schedulers import it from here

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class _LRScheduler(LRScheduler):
    """The name that old code inherits from."""


# what copied schedulers call
_COPIED = ["_enable_get_lr_call", "_warn_get_lr_called_within_step"]
__getattr__ = _elsewhere(__name__, "kuai.optim.copied_steps", _COPIED)
