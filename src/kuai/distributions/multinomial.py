"""The multinomial distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.binomial import Binomial
from kuai.distributions.categorical import Categorical
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import ones_like, where, zeros_like
from kuai.distributions.utils import broadcast_all
from kuai.engine.tensor import modes
from kuai.engine.tensor.size import Size

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each of K outcomes comes in `total_count` draws.

    Args:
        total_count: the number of draws, one for all batches.
        probs: K nonnegative numbers in the last dimension; they are divided by their sum.
        logits: log probabilities up to a constant; one of the two is given.

    Example:
        >>> m = kuai.distributions.Multinomial(100, kuai.tensor([1.0, 1.0, 1.0, 1.0]))
        >>> m.mean
        tensor([25., 25., 25., 25.])
        >>> kuai.distributions.Multinomial(probs=kuai.tensor([0.5, 0.5])).log_prob(
        ...     kuai.tensor([1.0, 2.0])
        ... )
        Traceback (most recent call last):
        ...
        ValueError: Expected value argument (Tensor of shape (2,)) to be within the support ...
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        if total_count < 0:  # PyTorch's error is that of the binomial distributions it is made of
            Binomial(total_count, self._categorical.probs, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def probs(self):
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self):
        """The log probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._categorical.param_shape

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size()):  # noqa: B008
        draws = self._categorical.sample(Size((self.total_count,)) + Size(sample_shape))
        with modes.no_grad():
            draws = draws.movedim(0, -1)
            counts = zeros_like(self.probs).expand(self._extended_shape(sample_shape))
            return counts.scatter_add(-1, draws, ones_like(draws).to(counts.dtype))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        impossible = (value == 0) & (logits == -math.inf)  # 0 · log 0 is 0
        kernel = (where(impossible, 0.0, logits) * value).sum(-1)
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + kernel

    def entropy(self):
        # H = n H(categorical) - log n! + Σᵢ E[log xᵢ!], and xᵢ is binomial
        binomial = Binomial(self.total_count, self.probs, validate_args=False)
        counts = binomial.enumerate_support(expand=False)[1:]
        expected = binomial.log_prob(counts).exp() * (counts + 1).lgamma()
        constant = math.lgamma(self.total_count + 1)
        return self.total_count * self._categorical.entropy() - constant + expected.sum((0, -1))
