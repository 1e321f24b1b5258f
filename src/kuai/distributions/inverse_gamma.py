"""The inverse gamma distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.functions import where
from kuai.distributions.gamma import Gamma
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import PowerTransform
from kuai.engine.tensor import Tensor

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """The distribution of 1 / x for a gamma distributed x.

    Args:
        concentration: that of x; the mean is finite above 1, the variance above 2.
        rate: that of x.

    Example:
        >>> m = kuai.distributions.InverseGamma(kuai.tensor([2.0]), kuai.tensor([3.0]))
        >>> m.mean
        tensor([3.])
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-0.8028])
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        base = Gamma(concentration, rate, validate_args=validate_args)
        inverse = PowerTransform(-base.rate.new_ones(()))
        super().__init__(base, inverse, validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        """The concentration of x."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The rate of x."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        above = where(self.concentration > 1, self.concentration - 1, 1.0)
        return where(self.concentration > 1, self.rate / above, math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        exists = self.concentration > 2
        concentration = where(exists, self.concentration, 3.0)
        value = self.rate.square() / ((concentration - 1).square() * (concentration - 2))
        return where(exists, value, math.inf)

    def entropy(self) -> Tensor:
        concentration = self.concentration
        slope = (1 + concentration) * concentration.digamma()
        return concentration + self.rate.log() + concentration.lgamma() - slope
