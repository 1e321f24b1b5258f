"""The categorical distribution."""

import math
from typing import Any

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import broadcast_tensors, full, multinomial
from kuai.distributions.odds import one_of
from kuai.distributions.utils import lazy_property, logits_to_probs, probs_to_logits
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.dtypes import finfo, int64
from kuai.engine.tensor.size import Size

__all__ = ["Categorical"]


class Categorical(Distribution):
    """The numbers 0, …, K-1, each with its own probability.

    Args:
        probs: K nonnegative numbers in the last dimension; they are divided by their sum.
        logits: log probabilities up to a constant; one of the two is given.

    Example:
        >>> m = kuai.distributions.Categorical(kuai.tensor([1.0, 1.0, 2.0]))
        >>> m.probs
        tensor([0.2500, 0.2500, 0.5000])
        >>> m.log_prob(kuai.tensor([0, 2]))
        tensor([-1.3863, -0.6931])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._given = one_of(probs, logits)
        parameter: Any = logits if probs is None else probs
        if parameter.dim() < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = parameter - parameter.logsumexp(-1, keepdim=True)
        self._num_events = parameter.shape[-1]
        super().__init__(parameter.shape[:-1], validate_args=validate_args)

    @property
    def _param(self):
        return getattr(self, self._given)

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._param.shape

    @lazy_property
    def logits(self) -> Tensor:
        """The log probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    def _without_moments(self):
        probs = self.probs
        return full(self._batch_shape, math.nan, dtype=probs.dtype, device=probs.device)

    @property
    def mean(self) -> Tensor:
        return self._without_moments()

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return self._without_moments()

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        sample_shape = Size(sample_shape)
        with modes.no_grad():
            rows = self.probs.reshape(self._batch_shape.numel(), self._num_events)
            drawn = multinomial(rows, sample_shape.numel(), True)
            return drawn.T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        # 0 · log 0 is 0
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand=True) -> Tensor:
        return self._enumerated(self._num_events, expand, int64, self._param.device)
