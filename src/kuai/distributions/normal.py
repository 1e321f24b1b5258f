"""The normal distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.utils import _standard_normal, broadcast_all
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["Normal"]


class Normal(ExponentialFamily):
    """The normal distribution: p(x) = exp(-(x - loc)² / (2 scale²)) / (scale √(2π)).

    Args:
        loc: the mean.
        scale: the standard deviation.

    Shape:
        loc and scale are broadcast to the batch shape.

    Example:
        >>> m = kuai.distributions.Normal(kuai.tensor([0.0]), kuai.tensor([1.0]))
        >>> m.log_prob(kuai.tensor([0.0]))
        tensor([-0.9189])
        >>> m.sample((3,)).shape
        torch.Size([3, 1])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.square()

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return self.loc + self.scale * _standard_normal(shape, self.loc.dtype, self.loc.device)

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc) / self.scale
        return -distance.square() / 2 - self.scale.log() - math.log(2 * math.pi) / 2

    def cdf(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf()) / 2

    def icdf(self, value) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + math.log(2 * math.pi)) / 2

    @property
    def _natural_params(self):
        precision = self.scale.square().reciprocal()
        return self.loc * precision, -precision / 2

    def _log_normalizer(self, x, y):
        return (-math.pi / y).log() / 2 - x.square() / (4 * y)
