"""The distribution of transformed samples."""

from typing import Any

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.independent import Independent
from kuai.distributions.transforms import ComposeTransform, Transform
from kuai.distributions.utils import _sum_rightmost
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.size import Size

__all__ = ["TransformedDistribution"]


def _as_list(transforms):
    if isinstance(transforms, Transform):
        return [transforms]
    if not isinstance(transforms, list):
        raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
    if not all(isinstance(each, Transform) for each in transforms):
        raise ValueError("transforms must be a Transform or a list of Transforms")
    return transforms


class TransformedDistribution(Distribution):
    """The distribution of y = t(x): log p(y) = log p(x) - log |dy/dx|.

    Args:
        base_distribution: the distribution of x.
        transforms: a transform, or a list of transforms that are applied one after the other.

    Example:
        >>> from kuai.distributions import ExpTransform, Normal, TransformedDistribution
        >>> m = TransformedDistribution(Normal(0.0, 1.0), [ExpTransform()])
        >>> m.log_prob(kuai.tensor(1.0))
        tensor(-0.9189)
    """

    arg_constraints = {}
    base_dist: Any  # a Distribution; what a subclass knows of it are its parameters

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.transforms = _as_list(transforms)
        transform = ComposeTransform(self.transforms)
        base_shape = base_distribution.batch_shape + base_distribution.event_shape
        base_event_dim = len(base_distribution.event_shape)
        inner, outer = transform.domain.event_dim, transform.codomain.event_dim
        if len(base_shape) < inner:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {inner}, "
                f"but got {base_shape}."
            )
        shape = Size(transform.forward_shape(base_shape))
        wanted = Size(transform.inverse_shape(shape))
        if base_shape != wanted:
            base_distribution = base_distribution.expand(wanted[: len(wanted) - base_event_dim])
        if inner > base_event_dim:
            base_distribution = Independent(base_distribution, inner - base_event_dim)
        self.base_dist = base_distribution
        cut = len(shape) - max(outer, base_event_dim + outer - inner)
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new: Any = self._to_fill(_instance)
        shape = Size(batch_shape) + self.event_shape
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        cut = len(shape) - len(self.base_dist.event_shape)
        new.base_dist = self.base_dist.expand(shape[:cut])
        return super().expand(batch_shape, _instance=new)

    def _region(self):
        if not self.transforms:
            return self.base_dist.support
        region = self.transforms[-1].codomain
        more = len(self.event_shape) - region.event_dim
        return constraints.independent(region, more) if more > 0 else region

    # Not decorated, for most subclasses say them by an attribute.
    support = constraints.dependent_property(_region, is_discrete=False)
    has_rsample = property(lambda self: self.base_dist.has_rsample)

    def _forward(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        with modes.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        event_dim, total, y = len(self.event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            each = transform.log_abs_det_jacobian(x, y)
            total = total - _sum_rightmost(each, event_dim - transform.domain.event_dim)
            y = x
        more = event_dim - len(self.base_dist.event_shape)
        return total + _sum_rightmost(self.base_dist.log_prob(y), more)

    def _monotonize_cdf(self, value):
        """P(X ≤ x) where the transforms together rise, P(X ≥ x) where they fall."""
        sign = ComposeTransform(self.transforms).sign
        if isinstance(sign, int) and sign == 1:
            return value
        return sign * (value - 0.5) + 0.5

    def cdf(self, value) -> Tensor:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value) -> Tensor:
        return self._forward(self.base_dist.icdf(self._monotonize_cdf(value)))
