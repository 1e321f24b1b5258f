"""The gamma distribution."""

from kuai.distributions import constraints
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.functions import lower_gamma, standard_gamma, xlogy
from kuai.distributions.utils import broadcast_all, like
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """The gamma distribution: p(x) = rate^a x^(a-1) exp(-rate x) / Γ(a), a = concentration.

    `rsample` is differentiable with respect to both parameters, by implicit reparameterisation
    (Figurnov, Mohamed, Mnih 2018, https://arxiv.org/abs/1805.08498).

    Example:
        >>> m = kuai.distributions.Gamma(kuai.tensor([1.0]), kuai.tensor([2.0]))
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-1.3069])
        >>> m.mean
        tensor([0.5000])
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        value = standard_gamma(self.concentration.expand(shape)) / self.rate
        # a sample that rounds to 0 would have an infinite log probability
        rounded = value.detach()
        return value + (rounded.clamp(min=finfo(value.dtype).tiny) - rounded)

    def log_prob(self, value) -> Tensor:
        value = like(value, self.rate)
        if self._validate_args:
            self._validate_sample(value)
        return (
            xlogy(self.concentration, self.rate)
            + xlogy(self.concentration - 1, value)
            - self.rate * value
            - self.concentration.lgamma()
        )

    def cdf(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return lower_gamma(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        return (
            self.concentration
            - self.rate.log()
            + self.concentration.lgamma()
            + (1 - self.concentration) * self.concentration.digamma()
        )

    @property
    def _natural_params(self):
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x, y):
        return (x + 1).lgamma() - (x + 1) * (-y).log()
