"""Bernoulli distributions relaxed to numbers between 0 and 1, so that samples have gradients."""

from kuai.distributions import constraints
from kuai.distributions.functions import softplus
from kuai.distributions.odds import GivenByOdds
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import SigmoidTransform
from kuai.distributions.utils import broadcast_all, clamp_probs, like, standard_uniform
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(GivenByOdds):
    """The log odds of a `RelaxedBernoulli`: (logit + a logistic number) / temperature.

    Maddison, Mnih, Teh, "The concrete distribution" (2017), https://arxiv.org/abs/1611.00712.

    Args:
        temperature: towards 0 the samples' sigmoids become 0 or 1.
        probs: the probability of 1.
        logits: its log odds; one of the two is given.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True
    _shared = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._take(probs, logits)
        super().__init__(self.param_shape, validate_args=validate_args)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs)
        uniform = clamp_probs(standard_uniform(shape, probs))
        return (_log_odds(uniform) + _log_odds(probs)) / self.temperature

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        temperature = like(self.temperature, value)
        difference = logits - value * temperature
        return temperature.log() + difference - 2 * softplus(difference)


def _log_odds(probs):
    return probs.log() - (-probs).log1p()


class RelaxedBernoulli(TransformedDistribution):
    """Numbers in (0, 1) that become Bernoulli numbers as the temperature goes to 0.

    Maddison, Mnih, Teh (2017), https://arxiv.org/abs/1611.00712; Jang, Gu, Poole, "Categorical
    reparameterization with Gumbel-softmax" (2017), https://arxiv.org/abs/1611.01144.

    Example:
        >>> m = kuai.distributions.RelaxedBernoulli(kuai.tensor([2.2]), kuai.tensor([0.3]))
        >>> m.log_prob(kuai.tensor([0.5]))
        tensor([0.6141])
        >>> m.rsample().shape
        torch.Size([1])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The log odds."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.base_dist.probs
