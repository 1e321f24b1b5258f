"""The negative binomial distribution."""

from kuai.distributions import constraints
from kuai.distributions.functions import poisson, softplus, where
from kuai.distributions.gamma import Gamma
from kuai.distributions.odds import GivenByOdds
from kuai.distributions.utils import lazy_property
from kuai.engine.tensor import modes
from kuai.engine.tensor.size import Size

__all__ = ["NegativeBinomial"]


class NegativeBinomial(GivenByOdds):
    """How many trials succeed before `total_count` fail, each with probability `probs` of success.

    Args:
        total_count: the number of failures, which need not be whole.
        probs: the probability of success, in [0, 1).
        logits: its log odds; one of the two is given.

    Example:
        >>> m = kuai.distributions.NegativeBinomial(3.0, kuai.tensor([0.5]))
        >>> m.mean
        tensor([3.])
        >>> m.log_prob(kuai.tensor([2.0]))
        tensor([-1.6740])
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self.param_shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.total_count * self.logits.exp()

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self):
        return self.mean / (-self.logits).sigmoid()

    @lazy_property
    def _gamma(self):
        # Poisson numbers whose rates are gamma distributed are negative binomial
        return Gamma(self.total_count, (-self.logits).exp(), validate_args=False)

    def sample(self, sample_shape=Size()):  # noqa: B008
        with modes.no_grad():
            return poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        count = self.total_count
        kernel = -count * softplus(self.logits) - value * softplus(-self.logits)
        together = count + value
        is_empty = together == 0  # Γ(0) / Γ(0) is 1
        above = where(is_empty, 1.0, together).lgamma()
        below = (1 + value).lgamma() + where(is_empty, 1.0, count).lgamma()
        return kernel + above - below
