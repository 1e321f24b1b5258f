"""The multivariate normal distribution with a covariance of low rank plus a diagonal."""

from kuai.distributions import constraints
from kuai.distributions.functions import broadcast_tensors, cholesky, diag_embed, solve_triangular
from kuai.distributions.multivariate_normal import Gaussian
from kuai.distributions.utils import lazy_property
from kuai.engine.tensor.size import Size

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Gaussian):
    """The normal distribution of vectors with covariance W Wᵀ + diag(D).

    Determinant and inverse need the Cholesky factor of the small capacitance matrix
    C = I + Wᵀ D⁻¹ W only: det Σ = det C · det D (the matrix determinant lemma), and
    Σ⁻¹ = D⁻¹ - D⁻¹ W C⁻¹ Wᵀ D⁻¹ (Woodbury's identity).

    Args:
        loc: the mean, (…, n).
        cov_factor: W, (…, n, rank).
        cov_diag: D, (…, n).

    Example:
        >>> m = kuai.distributions.LowRankMultivariateNormal(
        ...     kuai.zeros(2), kuai.tensor([[1.0], [0.0]]), kuai.ones(2)
        ... )
        >>> m.covariance_matrix
        tensor([[2., 0.],
                [0., 1.]])
        >>> m.log_prob(kuai.zeros(2))
        tensor(-2.1845)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m"
            )
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        self.loc, self.cov_factor, self.cov_diag = _of_one_batch(loc, cov_factor, cov_diag)
        super().__init__(self.loc.shape[:-1], event_shape, validate_args=validate_args)

    @lazy_property
    def _scaled_factor(self):
        """Wᵀ D⁻¹."""
        return self.cov_factor.mT / self.cov_diag.unsqueeze(-2)

    @lazy_property
    def _capacitance_tril(self):
        small = self._scaled_factor @ self.cov_factor
        return cholesky(small + diag_embed(small.new_ones(small.shape[:-1])))

    @property
    def variance(self):
        return self.cov_factor.square().sum(-1) + self.cov_diag

    @lazy_property
    def covariance_matrix(self):
        """The covariance."""
        return self.cov_factor @ self.cov_factor.mT + diag_embed(self.cov_diag)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance."""
        return cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance."""
        correction = self._correction(diag_embed(self.cov_diag.new_ones(self.cov_diag.shape)))
        return diag_embed(self.cov_diag.reciprocal()) - correction.mT @ correction

    def rsample(self, sample_shape=Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        along = self._normal(shape[:-1] + self.cov_factor.shape[-1:])
        alone = self._normal(shape)
        return self.loc + self._mixed(self.cov_factor, along) + self.cov_diag.sqrt() * alone

    def _log_det(self):
        small = self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return 2 * small + self.cov_diag.log().sum(-1)

    def _correction(self, columns):
        """A c for columns c, where Σ⁻¹ = D⁻¹ - Aᵀ A."""
        return solve_triangular(self._capacitance_tril, self._scaled_factor @ columns, upper=False)

    def _squared_norms(self, columns):
        plain = (columns.square() / self.cov_diag.unsqueeze(-1)).sum(-2)
        return plain - self._correction(columns).square().sum(-2)

    def _spread(self):
        return self.cov_factor, self.cov_diag

    def _precision_diagonal(self):
        rows = solve_triangular(self._capacitance_tril, self._scaled_factor, upper=False)
        return self.cov_diag.reciprocal() - rows.square().sum(-2)


def _of_one_batch(loc, cov_factor, cov_diag):
    try:
        means, factors, diagonals = broadcast_tensors(
            loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1)
        )
    except RuntimeError as error:
        raise ValueError(
            f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
            f"cov_diag {cov_diag.shape}"
        ) from error
    return means[..., 0], factors, diagonals[..., 0]
