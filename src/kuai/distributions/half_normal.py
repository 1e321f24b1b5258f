"""The half-normal distribution."""

import math

from kuai.distributions.folded import Folded
from kuai.distributions.normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Folded):
    """The distribution of |x| for a normal x of mean 0 and deviation `scale`.

    Example:
        >>> m = kuai.distributions.HalfNormal(kuai.tensor([1.0]))
        >>> m.mean
        tensor([0.7979])
        >>> m.log_prob(kuai.tensor([0.0]))
        tensor([-0.2258])
    """

    def __init__(self, scale, validate_args=None):
        super().__init__(Normal(0, scale, validate_args=False), validate_args=validate_args)

    @property
    def mean(self):
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self):
        return self.scale.square() * (1 - 2 / math.pi)
