"""One-hot categorical distributions relaxed to probabilities, so that samples have gradients."""

from kuai.distributions import constraints
from kuai.distributions.categorical import Categorical
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import full_like
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import ExpTransform
from kuai.distributions.utils import broadcast_all, clamp_probs, like, standard_uniform
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """The logarithms of a `RelaxedOneHotCategorical`: log_softmax((logits + Gumbel) / temperature).

    Maddison, Mnih, Teh, "The concrete distribution" (2017), https://arxiv.org/abs/1611.00712.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector
    has_rsample = True
    _shared = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def logits(self) -> Tensor:
        """The log probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        uniform = clamp_probs(standard_uniform(shape, self.logits))
        gumbel = -(-uniform.log()).log()
        return ((self.logits + gumbel) / self.temperature).log_softmax(-1)

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        temperature = like(self.temperature, value)
        size = self._event_shape[0]
        constant = full_like(temperature, size).lgamma() + (size - 1) * temperature.log()
        return constant + (logits - value * temperature).log_softmax(-1).sum(-1)


class RelaxedOneHotCategorical(TransformedDistribution):
    """Vectors of probabilities that become one-hot vectors as the temperature goes to 0.

    Maddison, Mnih, Teh (2017), https://arxiv.org/abs/1611.00712; Jang, Gu, Poole, "Categorical
    reparameterization with Gumbel-softmax" (2017), https://arxiv.org/abs/1611.01144.

    Args:
        temperature: how far from one-hot the samples are.
        probs: K nonnegative numbers in the last dimension.
        logits: log probabilities up to a constant; one of the two is given.

    Example:
        >>> m = kuai.distributions.RelaxedOneHotCategorical(
        ...     kuai.tensor(2.2), kuai.tensor([0.1, 0.2, 0.3, 0.4])
        ... )
        >>> m.log_prob(kuai.full((4,), 0.25))
        tensor(3.6700)
        >>> m.rsample().shape
        torch.Size([4])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The log probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.base_dist.probs
