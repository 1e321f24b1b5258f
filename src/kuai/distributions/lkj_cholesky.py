"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

import math

from kuai.distributions import constraints
from kuai.distributions.beta import Beta
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import arange, diag_embed
from kuai.distributions.utils import _standard_normal, broadcast_all, multivariate_lgamma
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors L of correlation matrices M = L Lᵀ with the density p(M) ∝ det(M)^(η-1).

    Samples are made row by row, by the onion method: a row is a direction, uniform on the sphere,
    times a length whose square is beta distributed. Lewandowski, Kurowicka, Joe, "Generating random
    correlation matrices based on vines and extended onion method" (2009),
    https://doi.org/10.1016/j.jmva.2009.04.008.

    Args:
        dim: the size of the matrices.
        concentration: η; 1 makes all correlation matrices equally probable.

    Example:
        >>> m = kuai.distributions.LKJCholesky(3, 0.5)
        >>> m.log_prob(kuai.eye(3))
        tensor(-2.5310)
        >>> m.sample((4,)).shape
        torch.Size([4, 3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def _squared_lengths(self):
        """The distribution of the squared lengths of the rows without their last element."""
        like = {"dtype": self.concentration.dtype, "device": self.concentration.device}
        before = (arange(self.dim, **like) - 1).clamp(min=0)
        rest = self.concentration.unsqueeze(-1) + (self.dim - 2 - before) / 2
        return Beta(before + 0.5, rest, validate_args=False)

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        with modes.no_grad():
            squared = self._squared_lengths().sample(sample_shape).unsqueeze(-1)
            shape = self._extended_shape(sample_shape)
            normal = _standard_normal(shape, squared.dtype, squared.device).tril(-1)
            length = normal.square().sum(-1, keepdim=True).sqrt()
            tiny = finfo(squared.dtype).tiny
            below = squared.sqrt() * normal / length.clamp(min=tiny)  # the first row is empty
            last = (1 - below.square().sum(-1)).clamp(min=tiny).sqrt()
            return below + diag_embed(last)

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        rows = arange(2, self.dim + 1, device=self.concentration.device)
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - rows
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        return (powers * diagonal.log()).sum(-1) - self._log_normalizer()

    def _log_normalizer(self):
        size = self.dim - 1
        alpha = self.concentration + size / 2
        constant = size / 2 * math.log(math.pi)
        return constant + multivariate_lgamma(alpha - 0.5, size) - size * alpha.lgamma()
