"""The half-Cauchy distribution."""

import math

from kuai.distributions.cauchy import Cauchy
from kuai.distributions.folded import Folded
from kuai.distributions.functions import full_like

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """The distribution of |x| for a Cauchy distributed x around 0.

    Example:
        >>> m = kuai.distributions.HalfCauchy(kuai.tensor([1.0]))
        >>> m.cdf(kuai.tensor([1.0]))
        tensor([0.5000])
    """

    def __init__(self, scale, validate_args=None):
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args=validate_args)

    @property
    def mean(self):
        return full_like(self.scale, math.inf)

    @property
    def variance(self):
        return self.base_dist.variance
