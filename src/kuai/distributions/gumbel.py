"""The Gumbel distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.functions import full_like, ones_like
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import AffineTransform, ExpTransform
from kuai.distributions.uniform import Uniform
from kuai.distributions.utils import broadcast_all, euler_constant
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import finfo

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """The Gumbel distribution of largest values: P(X ≤ x) = exp(-exp(-(x - loc) / scale)).

    Samples are loc - scale · log(-log u) for uniform u.

    Example:
        >>> m = kuai.distributions.Gumbel(kuai.tensor([1.0]), kuai.tensor([2.0]))
        >>> m.mean
        tensor([2.1544])
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-1.6931])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = finfo(self.loc.dtype)
        low, high = full_like(self.loc, limits.tiny), full_like(self.loc, 1 - limits.eps)
        minus_log = [ExpTransform().inv, AffineTransform(0, -ones_like(self.scale))]
        transforms = [*minus_log, ExpTransform().inv, AffineTransform(self.loc, -self.scale)]
        base = Uniform(low, high, validate_args=validate_args)
        super().__init__(base, transforms, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.square()

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (self.loc - value) / self.scale
        return distance - distance.exp() - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + euler_constant)
