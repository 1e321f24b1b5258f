"""The Pareto distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.exponential import Exponential
from kuai.distributions.functions import where
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import AffineTransform, ExpTransform
from kuai.distributions.utils import broadcast_all
from kuai.engine.tensor import Tensor

__all__ = ["Pareto"]


class Pareto(TransformedDistribution):
    """The Pareto distribution: P(X > x) = (scale / x)^alpha for x ≥ scale.

    Example:
        >>> m = kuai.distributions.Pareto(kuai.tensor([1.0]), kuai.tensor([3.0]))
        >>> m.mean
        tensor([1.5000])
        >>> m.log_prob(kuai.tensor([2.0]))
        tensor([-1.6740])
    """

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale, alpha, validate_args=None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        transforms = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(base, transforms, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        is_finite = self.alpha > 1
        alpha = where(is_finite, self.alpha, 2.0)
        return where(is_finite, alpha * self.scale / (alpha - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        is_finite = self.alpha > 2
        alpha = where(is_finite, self.alpha, 3.0)
        value = self.scale.square() * alpha / ((alpha - 1).square() * (alpha - 2))
        return where(is_finite, value, math.inf)

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + 1 + self.alpha.reciprocal()
