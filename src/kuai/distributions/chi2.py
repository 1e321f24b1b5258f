"""The χ² distribution."""

from kuai.distributions import constraints
from kuai.distributions.gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The distribution of the sum of the squares of `df` standard normal numbers.

    It is `Gamma(df / 2, 1 / 2)`.

    Example:
        >>> m = kuai.distributions.Chi2(kuai.tensor([3.0]))
        >>> m.mean, m.variance
        (tensor([3.]), tensor([6.]))
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self):
        """The degrees of freedom."""
        return self.concentration * 2
