"""The beta distribution."""

from kuai.distributions import constraints
from kuai.distributions.dirichlet import Dirichlet
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.functions import stack
from kuai.distributions.utils import broadcast_all
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["Beta"]


class Beta(ExponentialFamily):
    """The beta distribution on [0, 1]: p(x) ∝ x^(a-1) (1-x)^(b-1).

    Args:
        concentration1: a.
        concentration0: b.

    Example:
        >>> m = kuai.distributions.Beta(kuai.tensor([2.0]), kuai.tensor([3.0]))
        >>> m.log_prob(kuai.tensor([0.5]))
        tensor([0.4055])
        >>> m.mean
        tensor([0.4000])
    """

    arg_constraints = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        both = broadcast_all(concentration1, concentration0)
        self._dirichlet = Dirichlet(stack(both, -1), validate_args=validate_args)
        super().__init__(self._dirichlet.batch_shape, validate_args=validate_args)

    @property
    def concentration1(self):
        """The exponent of x, plus 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self):
        """The exponent of 1 - x, plus 1."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        return self._dirichlet.variance[..., 0]

    def rsample(self, sample_shape=()) -> Tensor:
        return self._dirichlet.rsample(Size(sample_shape))[..., 0]

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()

    @property
    def _natural_params(self):
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x, y):
        return x.lgamma() + y.lgamma() - (x + y).lgamma()
