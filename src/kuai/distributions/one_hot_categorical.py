"""Categorical distributions whose samples are one-hot vectors."""

from kuai.distributions import constraints
from kuai.distributions.categorical import Categorical
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import eye, one_hot
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
    """A `Categorical` whose samples are vectors of one 1 and zeros.

    Example:
        >>> m = kuai.distributions.OneHotCategorical(kuai.tensor([0.25, 0.75]))
        >>> m.log_prob(kuai.tensor([0.0, 1.0]))
        tensor(-0.2877)
        >>> m.mode
        tensor([0., 1.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def _param(self):
        return self._categorical._param

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The log probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._one_hot(self._categorical.mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def _one_hot(self, indices):
        return one_hot(indices, self._event_shape[0]).to(self._param.dtype)

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        return self._one_hot(self._categorical.sample(sample_shape))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand=True) -> Tensor:
        size = self._event_shape[0]
        values = eye(size, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape(size, *(1,) * len(self._batch_shape), size)
        return values.expand(size, *self._batch_shape, size) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """A `OneHotCategorical` whose samples have the gradient of the probabilities.

    The straight-through estimator of Bengio, Léonard, Courville (2013),
    https://arxiv.org/abs/1308.3432.
    """

    has_rsample = True

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
