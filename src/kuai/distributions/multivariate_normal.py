"""The multivariate normal distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.distribution import Distribution
from kuai.distributions.functions import cholesky, eye, solve_triangular
from kuai.distributions.utils import _standard_normal, lazy_property
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size
from kuai.ops.dimensions import broadcast_shapes

__all__ = ["MultivariateNormal"]


def as_columns(vectors, batch_dims):
    """Vectors (S…, B…, n) as the columns of matrices (B…, n, ΠS), and the shape S.

    So a matrix of each batch meets all samples at once, and is not repeated for each.
    """
    cut = vectors.dim() - 1 - batch_dims
    samples = vectors.shape[:cut]
    flat = vectors.reshape(samples.numel(), *vectors.shape[cut:])
    return flat.movedim(0, -1), samples


def from_columns(columns, samples):
    """The inverse of `as_columns`; also for one number (B…, ΠS) a column."""
    back = columns.movedim(-1, 0)
    return back.reshape(samples + back.shape[1:])


def inverse_by_factor(factor):
    """(L Lᵀ)⁻¹ for a lower triangular L."""
    identity = eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    inverse = solve_triangular(factor, identity.expand(factor.shape), upper=False)
    return inverse.mT @ inverse


def factor_of_inverse(precision):
    """The Cholesky factor of the inverse of a matrix.

    With J turning rows and columns around, J P J = L Lᵀ gives P⁻¹ = (J L⁻ᵀ J)(J L⁻ᵀ J)ᵀ, and
    J L⁻ᵀ J is lower triangular.
    """
    turned = cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    identity = eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return solve_triangular(turned, identity.expand(precision.shape), upper=False)


def factor_of(distribution):
    """The Cholesky factor of a covariance, from the matrix that was given."""
    given = distribution._given
    if given == "scale_tril":
        return distribution.scale_tril
    if given == "covariance_matrix":
        return cholesky(distribution.covariance_matrix)
    return factor_of_inverse(distribution.precision_matrix)


def one_matrix(error, **matrices):
    """Name and value of the only matrix that was given."""
    given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
    if len(given) != 1:
        raise error(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
        )
    return next(iter(given.items()))


class Gaussian(Distribution):
    """What normal distributions of vectors have in common; subclasses know the covariance Σ."""

    loc: Tensor
    support = constraints.real_vector
    has_rsample = True

    def _log_det(self):
        """log det Σ."""
        raise NotImplementedError

    def _squared_norms(self, columns):
        """cᵀ Σ⁻¹ c for every column c of matrices."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        columns, samples = as_columns(value - self.loc, len(self._batch_shape))
        distances = from_columns(self._squared_norms(columns), samples)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -(constant + self._log_det() + distances) / 2

    def entropy(self) -> Tensor:
        constant = self._event_shape[0] * (1 + math.log(2 * math.pi))
        return (constant + self._log_det()) / 2

    def _normal(self, shape):
        return _standard_normal(shape, self.loc.dtype, self.loc.device)

    def _mixed(self, matrix, noise):
        """Matrices times vectors of noise."""
        columns, samples = as_columns(noise, len(self._batch_shape))
        return from_columns(matrix @ columns, samples)


class MultivariateNormal(Gaussian):
    """The normal distribution of vectors, with the mean `loc` and the covariance Σ.

    Args:
        loc: the mean, (…, n).
        covariance_matrix: Σ, (…, n, n).
        precision_matrix: Σ⁻¹.
        scale_tril: the Cholesky factor L of Σ = L Lᵀ; one of the three is given, and this one
            needs no factorisation.

    Example:
        >>> m = kuai.distributions.MultivariateNormal(kuai.zeros(2), kuai.eye(2))
        >>> m.log_prob(kuai.zeros(2))
        tensor(-1.8379)
        >>> m.sample((3,)).shape
        torch.Size([3, 2])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }

    def __init__(
        self,
        loc,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        self._given, matrix = one_matrix(
            ValueError,
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        if matrix.dim() < 2:
            subject = "scale_tril matrix" if self._given == "scale_tril" else self._given
            raise ValueError(
                f"{subject} must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        batch_shape = Size(broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]))
        setattr(self, self._given, matrix.expand(*batch_shape, -1, -1))
        self.loc = loc.expand(*batch_shape, -1)
        super().__init__(batch_shape, loc.shape[-1:], validate_args=validate_args)

    @lazy_property
    def _factor(self) -> Tensor:
        # under a name of its own: what the user has not asked for is not printed
        return factor_of(self)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return self._factor

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._factor @ self._factor.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return inverse_by_factor(self._factor)

    @property
    def variance(self) -> Tensor:
        return self._factor.square().sum(-1)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        noise = self._normal(self._extended_shape(sample_shape))
        return self.loc + self._mixed(self._factor, noise)

    def _log_det(self):
        return 2 * self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def _squared_norms(self, columns):
        return solve_triangular(self._factor, columns, upper=False).square().sum(-2)

    def _spread(self):
        """F and d with Σ = F Fᵀ + diag(d)."""
        return self._factor, None

    def _precision_diagonal(self):
        return inverse_by_factor(self._factor).diagonal(dim1=-2, dim2=-1)
