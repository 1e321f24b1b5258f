"""The Laplace distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.utils import broadcast_all, standard_uniform
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = ["Laplace"]


class Laplace(Distribution):
    """The Laplace distribution: p(x) = exp(-|x - loc| / scale) / (2 scale).

    Example:
        >>> m = kuai.distributions.Laplace(kuai.tensor([0.0]), kuai.tensor([1.0]))
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-1.6931])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        uniform = standard_uniform(self._extended_shape(sample_shape), self.loc)
        centred = (2 * uniform - 1).clamp(min=finfo(self.loc.dtype).eps - 1)
        return self.loc - self.scale * centred.sign() * (-centred.abs()).log1p()

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc) / self.scale
        return (1 - distance.sign() * (-distance.abs()).expm1()) / 2

    def icdf(self, value) -> Tensor:
        centred = value - 0.5
        return self.loc - self.scale * centred.sign() * (-2 * centred.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
