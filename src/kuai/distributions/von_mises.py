"""The von Mises distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import log_bessel_i0, log_bessel_i1, von_mises_with
from kuai.distributions.utils import broadcast_all, lazy_property
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.size import Size

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles around `loc`: p(x) = exp(κ cos(x - loc)) / (2π I₀(κ)), κ = concentration.

    Args:
        loc: the mean direction, in radians.
        concentration: κ.

    Samples lie in [-π, π).

    Example:
        >>> m = kuai.distributions.VonMises(kuai.tensor([1.0]), kuai.tensor([1.0]))
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-1.0738])
        >>> m.variance
        tensor([0.5536])
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, Size(), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """The circular variance 1 - I₁(κ) / I₀(κ)."""
        ratio = log_bessel_i1(self.concentration) - log_bessel_i0(self.concentration)
        return -ratio.expm1()

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with modes.no_grad():
            return von_mises_with(self.loc, self.concentration, tuple(shape))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        normalizer = math.log(2 * math.pi) + log_bessel_i0(self.concentration)
        return self.concentration * (value - self.loc).cos() - normalizer
