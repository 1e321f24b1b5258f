"""The F-distribution of Fisher and Snedecor."""

import math

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import where
from kuai.distributions.gamma import Gamma
from kuai.distributions.utils import broadcast_all
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Distribution):
    """The ratio of two χ² numbers, each divided by its degrees of freedom.

    Args:
        df1: degrees of freedom above the line.
        df2: degrees of freedom below the line; the mean exists above 2, the variance above 4.

    Example:
        >>> m = kuai.distributions.FisherSnedecor(kuai.tensor([1.0]), kuai.tensor([6.0]))
        >>> m.mean
        tensor([1.5000])
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1, df2, validate_args=None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 / 2, self.df1, validate_args=False)
        self._gamma2 = Gamma(self.df2 / 2, self.df2, validate_args=False)
        super().__init__(self.df1.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        df2 = where(self.df2 > 2, self.df2, 3.0)
        return where(self.df2 > 2, df2 / (df2 - 2), math.nan)

    @property
    def mode(self) -> Tensor:
        df1 = where(self.df1 > 2, self.df1, 3.0)
        mode = (df1 - 2) / df1 * self.df2 / (self.df2 + 2)
        return where(self.df1 > 2, mode, math.nan)

    @property
    def variance(self) -> Tensor:
        df1, df2 = self.df1, where(self.df2 > 4, self.df2, 5.0)
        value = 2 * df2.square() * (df1 + df2 - 2) / (df1 * (df2 - 2).square() * (df2 - 4))
        return where(self.df2 > 4, value, math.nan)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        tiny = finfo(self.df1.dtype).tiny
        above, below = self._gamma1.rsample(sample_shape), self._gamma2.rsample(sample_shape)
        return (above / below.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        half1, half2, ratio = self.df1 / 2, self.df2 / 2, self.df1 / self.df2
        total = half1 + half2
        normalizer = half1.lgamma() + half2.lgamma() - total.lgamma() - half1 * ratio.log()
        return (half1 - 1) * value.log() - total * (ratio * value).log1p() - normalizer
