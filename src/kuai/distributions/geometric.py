"""The geometric distribution."""

from kuai.distributions import constraints
from kuai.distributions.functions import (
    binary_cross_entropy_with_logits,
    where,
    zeros_like,
)
from kuai.distributions.odds import GivenByOdds
from kuai.distributions.utils import broadcast_all, is_refused, may_be_checked, standard_uniform
from kuai.engine.tensor import modes
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = ["Geometric"]


class Geometric(GivenByOdds):
    """How many trials fail before the first success: P(k) = (1 - probs)^k probs.

    Args:
        probs: the probability of success, in (0, 1].
        logits: its log odds; one of the two is given.

    Example:
        >>> m = kuai.distributions.Geometric(kuai.tensor([0.25]))
        >>> m.mean
        tensor([3.])
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-1.6740])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._take(probs, logits)
        super().__init__(self.param_shape, validate_args=validate_args)
        if self._validate_args and self._given == "probs" and may_be_checked():
            self._refuse_zero()

    def _refuse_zero(self):
        value = self.probs
        if is_refused(value > 0):
            raise ValueError(
                "Expected parameter probs "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                f"of distribution {self!r} "
                f"to be positive but found invalid values:\n{value.detach()[~(value > 0)]}"
            )

    @property
    def mean(self):
        return 1 / self.probs - 1

    @property
    def mode(self):
        return zeros_like(self.probs)

    @property
    def variance(self):
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape=Size()):  # noqa: B008
        with modes.no_grad():
            uniform = standard_uniform(self._extended_shape(sample_shape), self.probs)
            uniform = uniform.clamp(min=finfo(self.probs.dtype).tiny)
            return (uniform.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        is_sure = (probs == 1) & (value == 0)  # 0 · log 0 is 0
        return value * (-where(is_sure, 0.0, probs)).log1p() + self.probs.log()

    def entropy(self):
        both = binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return both / self.probs
