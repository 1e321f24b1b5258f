"""Mixtures of distributions of one family."""

from kuai.distributions import constraints
from kuai.distributions.categorical import Categorical
from kuai.distributions.distribution import Distribution
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.size import Size

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A mixture: p(x) = Σₖ wₖ pₖ(x).

    Args:
        mixture_distribution: a `Categorical`, the weights wₖ.
        component_distribution: a distribution whose last batch dimension counts the components.

    Example:
        >>> import kuai.distributions as D
        >>> weights = D.Categorical(kuai.tensor([0.5, 0.5]))
        >>> m = D.MixtureSameFamily(weights, D.Normal(kuai.tensor([-1.0, 1.0]), 1.0))
        >>> m.log_prob(kuai.tensor(0.0))
        tensor(-1.4189)
        >>> m.variance
        tensor(2.)
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of "
                "torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of "
                "torch.distributions.Distribution"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        _check_batches(mixture_distribution, component_distribution)
        self._num_component = mixture_distribution.logits.shape[-1]
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(
            component_distribution.batch_shape[:-1],
            component_distribution.event_shape,
            validate_args=validate_args,
        )

    @constraints.dependent_property
    def support(self):
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self):
        """The weights."""
        return self._mixture_distribution

    @property
    def component_distribution(self):
        """The components."""
        return self._component_distribution

    def _averaged(self, values):
        """Σₖ wₖ vₖ for values with a dimension of components before those of the event."""
        weights = self._mixture_distribution.probs
        weights = weights.reshape(*weights.shape, *(1,) * self._event_ndims)
        return (weights * values).sum(-1 - self._event_ndims)

    @property
    def mean(self) -> Tensor:
        return self._averaged(self._component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        parts = self._component_distribution
        return self._averaged(parts.variance + (parts.mean - self._pad(self.mean)).square())

    def _pad(self, x):
        return x.unsqueeze(-1 - self._event_ndims)

    def cdf(self, x) -> Tensor:  # type: ignore[override] - PyTorch's name
        each = self._component_distribution.cdf(self._pad(x))
        return (each * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x) -> Tensor:  # type: ignore[override] - PyTorch's name
        if self._validate_args:
            self._validate_sample(x)
        each = self._component_distribution.log_prob(self._pad(x))
        return (each + self._mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        sample_shape = Size(sample_shape)
        with modes.no_grad():
            drawn = self._component_distribution.sample(sample_shape)
            dim = drawn.dim() - 1 - self._event_ndims
            chosen = self._mixture_distribution.expand(self._batch_shape).sample(sample_shape)
            chosen = chosen.reshape(*chosen.shape, *(1,) * (1 + self._event_ndims))
            chosen = chosen.expand(*chosen.shape[: dim + 1], *self._event_shape)
            return drawn.gather(dim, chosen).squeeze(dim)

    def __repr__(self):
        return (
            f"MixtureSameFamily(\n  {self._mixture_distribution},\n"
            f"  {self._component_distribution})"
        )


def _check_batches(mixture, component):
    ours, theirs = mixture.batch_shape, component.batch_shape[:-1]
    pairs = zip(reversed(ours), reversed(theirs), strict=False)
    if any(1 not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            f"`mixture_distribution.batch_shape` ({ours}) is not compatible with "
            f"`component_distribution.batch_shape`({theirs})"
        )
    weights, components = mixture.param_shape[-1], component.batch_shape[-1]
    if weights != components:
        raise ValueError(
            f"`mixture_distribution component` ({weights}) does not equal "
            f"`component_distribution.batch_shape[-1]` ({components})"
        )
