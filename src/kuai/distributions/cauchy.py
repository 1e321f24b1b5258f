"""The Cauchy distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import full_like
from kuai.distributions.utils import broadcast_all, standard_uniform
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = ["Cauchy"]


class Cauchy(Distribution):
    """The Cauchy (Lorentz) distribution: p(x) = 1 / (π scale (1 + ((x - loc) / scale)²)).

    It has no mean, and its variance is infinite.

    Example:
        >>> m = kuai.distributions.Cauchy(kuai.tensor([0.0]), kuai.tensor([1.0]))
        >>> m.log_prob(kuai.tensor([0.0]))
        tensor([-1.1447])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return full_like(self.loc, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return full_like(self.loc, math.inf)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        eps = finfo(self.loc.dtype).eps
        uniform = standard_uniform(self._extended_shape(sample_shape), self.loc)
        return self.icdf(uniform.clamp(min=eps / 2))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - distance.square().log1p()

    def cdf(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value) -> Tensor:
        return self.loc + self.scale * (math.pi * (value - 0.5)).tan()

    def entropy(self) -> Tensor:
        return self.scale.log() + math.log(4 * math.pi)
