"""Distributions of the absolute values of numbers that are symmetric around 0."""

import math

from kuai.distributions import constraints
from kuai.distributions.functions import where, zeros_like
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import AbsTransform
from kuai.distributions.utils import like
from kuai.engine.tensor import Tensor

__all__ = ["Folded"]


class Folded(TransformedDistribution):
    """The distribution of |x|: its density is twice that of x, its entropy log 2 less."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, base_distribution, validate_args=None):
        super().__init__(base_distribution, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self) -> Tensor:
        """How wide it is."""
        return self.base_dist.scale

    @property
    def mode(self) -> Tensor:
        return zeros_like(self.scale)

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = like(value, self.scale)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob) -> Tensor:  # type: ignore[override] - PyTorch's name
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)
