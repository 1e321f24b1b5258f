"""The Bernoulli distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.functions import (
    bernoulli,
    binary_cross_entropy_with_logits,
    softplus,
    where,
)
from kuai.distributions.odds import GivenByOdds
from kuai.distributions.utils import broadcast_all
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.size import Size

__all__ = ["Bernoulli"]


class Bernoulli(GivenByOdds, ExponentialFamily):
    """1 with probability `probs`, else 0.

    Args:
        probs: the probability of 1.
        logits: the log odds of 1; one of the two is given.

    Example:
        >>> m = kuai.distributions.Bernoulli(kuai.tensor([0.3]))
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-1.2040])
        >>> m.entropy()
        tensor([0.6109])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._take(probs, logits)
        super().__init__(self.param_shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        with modes.no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand=True) -> Tensor:
        return self._enumerated(2, expand, self._param.dtype, self._param.device)

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        return softplus(x)
