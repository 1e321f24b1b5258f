"""Student's t-distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.chi2 import Chi2
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import where
from kuai.distributions.utils import _standard_normal, broadcast_all
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Student's t: loc + scale · N / √(χ² / df), for a standard normal N and a χ² of `df` degrees.

    Args:
        df: degrees of freedom; the mean exists above 1, the variance above 2.
        loc: where the middle is.
        scale: how wide it is.

    Example:
        >>> m = kuai.distributions.StudentT(kuai.tensor([4.0]))
        >>> m.log_prob(kuai.tensor([0.0]))
        tensor([-0.9808])
        >>> m.variance
        tensor([2.])
    """

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df, validate_args=False)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        df = where(self.df > 2, self.df, 3.0)
        heavy = where(self.df > 1, math.inf, where(self.df == self.df, math.nan, self.df))
        return where(self.df > 2, self.scale.square() * df / (df - 2), heavy)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        normal = _standard_normal(shape, self.df.dtype, self.df.device)
        chi2 = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * normal * (chi2 / self.df).rsqrt()

    def _log_normalizer(self):
        return (
            (self.df.log() + math.log(math.pi)) / 2
            + (self.df / 2).lgamma()
            - ((self.df + 1) / 2).lgamma()
        )

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc) / self.scale
        kernel = (self.df + 1) / 2 * (distance.square() / self.df).log1p()
        return -kernel - self.scale.log() - self._log_normalizer()

    def entropy(self) -> Tensor:
        slope = ((self.df + 1) / 2).digamma() - (self.df / 2).digamma()
        return self.scale.log() + (self.df + 1) / 2 * slope + self._log_normalizer()
