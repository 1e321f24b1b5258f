"""The Kumaraswamy distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.functions import full_like, where
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import AffineTransform, PowerTransform
from kuai.distributions.uniform import Uniform
from kuai.distributions.utils import broadcast_all, euler_constant
from kuai.engine.tensor import Tensor

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """A distribution on [0, 1] much like the beta distribution: P(X > x) = (1 - x^a)^b.

    Args:
        concentration1: a.
        concentration0: b.

    Example:
        >>> m = kuai.distributions.Kumaraswamy(kuai.tensor([2.0]), kuai.tensor([1.0]))
        >>> m.mean
        tensor([0.6667])
        >>> m.log_prob(kuai.tensor([0.5]))
        tensor([0.])
    """

    arg_constraints = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        low, high = (full_like(self.concentration0, end) for end in (0, 1))
        transforms = [
            PowerTransform(self.concentration0.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        base = Uniform(low, high, validate_args=validate_args)
        super().__init__(base, transforms, validate_args=validate_args)

    def _moment(self, order):
        """E[X^order] = b B(1 + order / a, b)."""
        b, above = self.concentration0, 1 + order / self.concentration1
        return b * (above.lgamma() + b.lgamma() - (above + b).lgamma()).exp()

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        mode = ((a - 1) / (a * b - 1)).pow(1 / a)
        return where((a >= 1) & (b >= 1), mode, math.nan)

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self._moment(1).square()

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + euler_constant
        return 1 - 1 / b + (1 - 1 / a) * harmonic - a.log() - b.log()
