"""The logistic-normal distribution."""

from kuai.distributions import constraints
from kuai.distributions.normal import Normal
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import StickBreakingTransform
from kuai.engine.tensor import Tensor

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """Vectors of K + 1 probabilities, made of K normal numbers by `StickBreakingTransform`.

    Args:
        loc: the means of the normal numbers, (…, K).
        scale: their standard deviations.

    Example:
        >>> m = kuai.distributions.LogisticNormal(kuai.zeros(3), kuai.ones(3))
        >>> m.sample().shape
        torch.Size([4])
        >>> m.log_prob(kuai.full((4,), 0.25))
        tensor(2.7884)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The means of the normal numbers."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviations of the normal numbers."""
        return self.base_dist.base_dist.scale
