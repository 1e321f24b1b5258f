"""The Wishart distribution."""

import math
import warnings
from collections.abc import Sequence

from kuai.distributions import constraints
from kuai.distributions.chi2 import Chi2
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.functions import (
    arange,
    diag_embed,
    slogdet,
    where,
)
from kuai.distributions.multivariate_normal import (
    factor_of,
    inverse_by_factor,
    one_matrix,
)
from kuai.distributions.utils import (
    _standard_normal,
    is_number,
    is_refused,
    lazy_property,
    like,
    may_be_checked,
    multivariate_digamma,
    multivariate_lgamma,
)
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size
from kuai.ops.dimensions import broadcast_shapes

__all__ = ["Wishart"]


class Wishart(ExponentialFamily):
    """The distribution of Σᵢ xᵢ xᵢᵀ for `df` normal vectors xᵢ of mean 0 and covariance V.

    Args:
        df: degrees of freedom ν, above p - 1 for matrices of size p.
        covariance_matrix: V.
        precision_matrix: V⁻¹.
        scale_tril: the Cholesky factor of V; one of the three is given.

    Samples are made by Bartlett's decomposition: L A Aᵀ Lᵀ with normal numbers below the diagonal
    of A and roots of χ² numbers on it.

    Example:
        >>> m = kuai.distributions.Wishart(kuai.tensor(3.0), covariance_matrix=kuai.eye(2))
        >>> m.mean
        tensor([[3., 0.],
                [0., 3.]])
        >>> m.log_prob(kuai.eye(2))
        tensor(-3.5310)
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        df,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        self._given, matrix = one_matrix(
            AssertionError,
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        df_shape = () if is_number(df) else df.shape
        batch_shape = Size(broadcast_shapes(matrix.shape[:-2], df_shape))
        self.df = like(df, matrix).expand(batch_shape)
        setattr(self, self._given, matrix.expand(*batch_shape, -1, -1))
        self._check_df(df, matrix.shape[-1])
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)

    def _check_df(self, df, size):
        if not may_be_checked():
            return
        if is_refused(self.df > size - 1):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {size - 1}.")
        if is_refused(self.df >= size):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=3,
            )

    @property
    def arg_constraints(self):
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    @lazy_property
    def _factor(self) -> Tensor:
        return factor_of(self)

    @lazy_property
    def _inverse(self):
        return inverse_by_factor(self._factor)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of V."""
        return self._factor

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """V."""
        return self._factor @ self._factor.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of V."""
        return self._inverse

    @property
    def _size(self):
        return self._event_shape[-1]

    def _per_matrix(self, values):
        return values.unsqueeze(-1).unsqueeze(-1)

    @property
    def mean(self) -> Tensor:
        return self._per_matrix(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self._size - 1
        return self._per_matrix(where(factor > 0, factor, math.nan)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        matrix = self.covariance_matrix
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._per_matrix(self.df) * (matrix.square() + outer)

    def _bartlett_sampling(self, sample_shape):
        steps = arange(self._size, dtype=self.df.dtype, device=self.df.device)
        chi2 = Chi2(self.df.unsqueeze(-1) - steps, validate_args=False).rsample(sample_shape)
        diagonal = chi2.sqrt().clamp(min=finfo(chi2.dtype).eps)
        below = _standard_normal(self._extended_shape(sample_shape), chi2.dtype, chi2.device)
        factor = self._factor @ (below.tril(-1) + diag_embed(diagonal))
        return factor @ factor.mT

    def rsample(
        self,
        sample_shape: Sequence[int] = Size(),
        max_try_correction=None,
    ) -> Tensor:
        sample_shape = Size(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        if not may_be_checked() or not sample.numel():
            return sample
        for attempt in range(10 if max_try_correction is None else max_try_correction):
            is_good = self.support.check(sample)
            if not is_refused(is_good):
                break
            if attempt == 0:
                warnings.warn("Singular sample detected.", stacklevel=2)
            sample = where(self._per_matrix(is_good), sample, self._bartlett_sampling(sample_shape))
        return sample

    def _half_log_det(self):
        return self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def _log_constant(self):
        half = self.df / 2
        size = self._size
        return self.df * (size * math.log(2) / 2 + self._half_log_det()) + multivariate_lgamma(
            half, size
        )

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        trace = (self._inverse * value).sum((-2, -1))  # of V⁻¹ x
        exponent = (self.df - self._size - 1) / 2
        return exponent * slogdet(value).logabsdet - trace / 2 - self._log_constant()

    def entropy(self) -> Tensor:
        size, half = self._size, self.df / 2
        return (
            (size + 1) * (size * math.log(2) / 2 + self._half_log_det())
            + multivariate_lgamma(half, size)
            - (self.df - size - 1) / 2 * multivariate_digamma(half, size)
            + half * size
        )

    @property
    def _natural_params(self):
        return -self._inverse / 2, (self.df - self._size - 1) / 2

    def _log_normalizer(self, x, y):
        half = y + (self._size + 1) / 2
        log_det = slogdet(-2 * x).logabsdet
        return half * (self._size * math.log(2) - log_det) + multivariate_lgamma(half, self._size)
