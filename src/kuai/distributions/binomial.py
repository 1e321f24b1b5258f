"""The binomial distribution."""

from kuai.distributions import constraints
from kuai.distributions.functions import binomial, softplus
from kuai.distributions.odds import GivenByOdds
from kuai.engine.tensor import modes
from kuai.engine.tensor.size import Size

__all__ = ["Binomial"]


class Binomial(GivenByOdds):
    """How many of `total_count` trials succeed, each with probability `probs`.

    Args:
        total_count: the numbers of trials.
        probs: the probability of success.
        logits: its log odds; one of the two is given.

    Example:
        >>> m = kuai.distributions.Binomial(4, kuai.tensor([0.5]))
        >>> m.log_prob(kuai.tensor([2.0]))
        tensor([-0.9808])
        >>> m.mean
        tensor([2.])
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self.param_shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with modes.no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        count = self.total_count
        choices = (count + 1).lgamma() - (value + 1).lgamma() - (count - value + 1).lgamma()
        # log(1 - p) = -softplus(logit)
        return choices + value * self.logits - count * softplus(self.logits)

    def entropy(self):
        self._one_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def _one_count(self, what):
        count = int(self.total_count.max())
        if int(self.total_count.min()) != count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return count

    def enumerate_support(self, expand=True):
        count = self._one_count("enumerate_support")
        return self._enumerated(count + 1, expand, self._param.dtype, self._param.device)
