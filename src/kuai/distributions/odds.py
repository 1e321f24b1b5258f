"""Distributions that are given by probabilities or by log odds, whichever the user has.

The one that was given is a parameter. The other is computed when it is asked for, and kept.
"""

from kuai.distributions.distribution import Distribution
from kuai.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from kuai.engine.tensor import Tensor

__all__ = ["GivenByOdds", "one_of"]


def one_of(probs, logits):
    """The name of the parameter that was given.

    Raises:
        ValueError: both were given, or none.
    """
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return "logits" if probs is None else "probs"


class GivenByOdds(Distribution):
    """The base of distributions over two outcomes, given by `probs` or `logits`."""

    def _take(self, probs, logits, *others):
        """Keep the parameter that was given; it and the others, broadcast to one shape."""
        self._given = one_of(probs, logits)
        parameter = logits if probs is None else probs
        *others, parameter = broadcast_all(*others, parameter)
        setattr(self, self._given, parameter)
        return [other.to(parameter.dtype) for other in others]

    @property
    def _param(self):
        return getattr(self, self._given)

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._param.shape

    @lazy_property
    def logits(self) -> Tensor:
        """The log odds of success."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of success."""
        return logits_to_probs(self.logits, is_binary=True)
