"""The Dirichlet distribution."""

from kuai.distributions import constraints
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.functions import log_standard_gamma, one_hot, where, xlogy
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """The Dirichlet distribution over vectors of probabilities: p(x) ∝ Π xᵢ^(aᵢ-1).

    A sample is made of gamma numbers divided by their sum. They are drawn as logarithms, so small
    concentrations do not round to 0 / 0.

    Args:
        concentration: the aᵢ, in the last dimension.

    Example:
        >>> m = kuai.distributions.Dirichlet(kuai.tensor([0.5, 0.5]))
        >>> m.log_prob(kuai.tensor([0.25, 0.75]))
        tensor(-0.3077)
        >>> m.sample().shape
        torch.Size([2])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0)
        mode = above / above.sum(-1, True)
        is_at_corner = (self.concentration < 1).all(-1, True)
        corner = one_hot(mode.argmax(-1), above.shape[-1]).to(mode.dtype)
        return where(is_at_corner, corner, mode)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return log_standard_gamma(self.concentration.expand(shape)).softmax(-1)

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        kernel = xlogy(self.concentration - 1, value).sum(-1)
        return kernel - self._log_normalizer(self.concentration)

    def entropy(self) -> Tensor:
        total = self.concentration.sum(-1)
        size = self.concentration.shape[-1]
        inner = ((self.concentration - 1) * self.concentration.digamma()).sum(-1)
        return self._log_normalizer(self.concentration) - (size - total) * total.digamma() - inner

    @property
    def _natural_params(self):
        return (self.concentration,)

    def _log_normalizer(self, x):
        return x.lgamma().sum(-1) - x.sum(-1).lgamma()
