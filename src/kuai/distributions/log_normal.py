"""The log-normal distribution."""

from kuai.distributions import constraints
from kuai.distributions.normal import Normal
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import ExpTransform
from kuai.engine.tensor import Tensor

__all__ = ["LogNormal"]


class LogNormal(TransformedDistribution):
    """The distribution of exp(x) for a normal x.

    Args:
        loc: the mean of x.
        scale: the standard deviation of x.

    Example:
        >>> m = kuai.distributions.LogNormal(kuai.tensor([0.0]), kuai.tensor([1.0]))
        >>> m.mean
        tensor([1.6487])
        >>> m.log_prob(kuai.tensor([1.0]))
        tensor([-0.9189])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self) -> Tensor:
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        square = self.scale.square()
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc
