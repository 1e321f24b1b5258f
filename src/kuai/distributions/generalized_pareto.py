"""The generalised Pareto distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import isclose, where, zeros_like
from kuai.distributions.utils import broadcast_all, standard_uniform
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What exceeds a threshold: P(X > x) = (1 + c z)^(-1/c), z = (x - loc) / scale.

    Args:
        loc: the threshold.
        scale: how wide it is.
        concentration: the shape c; 0 is the exponential distribution, below 0 it ends at
            loc - scale / c.

    Example:
        >>> m = kuai.distributions.GeneralizedPareto(0.0, 1.0, kuai.tensor([0.0, 0.25]))
        >>> m.log_prob(kuai.tensor([1.0, 1.0]))
        tensor([-1.0000, -1.1157])
        >>> m.mean
        tensor([1.0000, 1.3333])
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        shape = self.concentration
        end = self.loc - self.scale / where(shape < 0, shape, -1.0)
        return constraints.interval(self.loc, where(shape < 0, end, math.inf))

    @property
    def mean(self) -> Tensor:
        exists = self.concentration < 1
        shape = where(exists, self.concentration, 0.5)
        return where(exists, self.loc + self.scale / (1 - shape), math.nan)

    @property
    def variance(self) -> Tensor:
        exists = self.concentration < 0.5
        shape = where(exists, self.concentration, 0.25)
        value = self.scale.square() / ((1 - shape).square() * (1 - 2 * shape))
        return where(exists, value, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    def _either(self, exponential, otherwise):
        """One value where the shape is 0, and a function of the shape elsewhere."""
        is_zero = isclose(self.concentration, zeros_like(self.concentration))
        return where(is_zero, exponential, otherwise(where(is_zero, 1.0, self.concentration)))

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        return self.icdf(standard_uniform(self._extended_shape(sample_shape), self.loc))

    def _distance(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale

    def log_prob(self, value) -> Tensor:
        z = self._distance(value)
        kernel = self._either(z, lambda shape: (1 + 1 / shape) * (shape * z).log1p())
        is_flat = self.concentration == -1  # the uniform distribution, up to its very end
        return -self.scale.log() - where(is_flat, 0.0, kernel)

    def log_survival_function(self, value):
        """log P(X > value)."""
        z = self._distance(value)
        return -self._either(z, lambda shape: (shape * z).log1p() / shape)

    def log_cdf(self, value):
        """log P(X ≤ value)."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value) -> Tensor:
        return -self.log_survival_function(value).expm1()

    def icdf(self, value) -> Tensor:
        log_above = (-value).log1p()
        distance = self._either(-log_above, lambda shape: (-shape * log_above).expm1() / shape)
        return self.loc + self.scale * distance

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1
