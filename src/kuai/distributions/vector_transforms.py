"""Transforms of vectors and matrices: to probabilities, Cholesky factors, another shape."""

import math

from kuai.distributions import constraints
from kuai.distributions.elementwise_transforms import _clipped_sigmoid, _WithoutOptions
from kuai.distributions.functions import arange, cholesky, diag_embed, eye, pad, softplus
from kuai.distributions.transform import Transform, check_dims
from kuai.distributions.utils import tril_matrix_to_vec, vec_to_tril_matrix
from kuai.engine.tensor.dtypes import finfo
from kuai.engine.tensor.size import Size

__all__ = [
    "CorrCholeskyTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "ReshapeTransform",
    "SoftmaxTransform",
    "StickBreakingTransform",
]


class SoftmaxTransform(_WithoutOptions):
    """y = softmax(x): K numbers to K probabilities. Not bijective; the inverse is log(y)."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        return x.softmax(-1)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        check_dims(shape, 1)
        return shape

    def inverse_shape(self, shape):
        check_dims(shape, 1)
        return shape


class StickBreakingTransform(_WithoutOptions):
    """K numbers to K + 1 probabilities: each breaks its part off what is left of a stick.

    yᵢ = zᵢ Πⱼ<ᵢ (1 - zⱼ) with zᵢ = sigmoid(xᵢ - log(K - i)), i from 0; zeros give equal parts.
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _log_parts(self, like, count):
        """log(K - i)."""
        return (count - arange(count, dtype=like.dtype, device=like.device)).log()

    def _call(self, x):
        parts = _clipped_sigmoid(x - self._log_parts(x, x.shape[-1]))
        left = (1 - parts).cumprod(-1)
        return pad(parts, (0, 1), value=1.0) * pad(left, (1, 0), value=1.0)

    def _inverse(self, y):
        cropped = y[..., :-1]
        left = (1 - cropped.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return cropped.log() - left.log() + self._log_parts(y, cropped.shape[-1])

    def log_abs_det_jacobian(self, x, y):
        shifted = x - self._log_parts(x, x.shape[-1])
        return (y[..., :-1].log() - softplus(-shifted) - shifted).sum(-1)

    def forward_shape(self, shape):
        check_dims(shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        check_dims(shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


class LowerCholeskyTransform(_WithoutOptions):
    """Square matrices to lower triangular ones: the exponential of the diagonal, zeros above."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + diag_embed(x.diagonal(dim1=-2, dim2=-1).exp())

    def _inverse(self, y):
        return y.tril(-1) + diag_embed(y.diagonal(dim1=-2, dim2=-1).log())


class PositiveDefiniteTransform(_WithoutOptions):
    """Square matrices to positive definite ones: L Lᵀ for `LowerCholeskyTransform`'s L."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(cholesky(y))


class CorrCholeskyTransform(Transform):
    """D(D-1)/2 numbers to the Cholesky factor of a D x D correlation matrix.

    Their hyperbolic tangents are partial correlations rᵢⱼ, row by row; a row of the factor is
    rᵢⱼ √Πₖ<ⱼ (1 - rᵢₖ²), and its last element makes its length 1.
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = finfo(x.dtype).eps
        partial = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - partial.square()).sqrt().cumprod(-1)
        ones = eye(partial.shape[-1], dtype=x.dtype, device=x.device)
        return (partial + ones) * pad(left[..., :-1], (1, 0), value=1.0)

    def _inverse(self, y):
        left = 1 - y.square().cumsum(-1)
        before = pad(left[..., :-1], (1, 0), value=1.0)
        lengths = tril_matrix_to_vec(before, diag=-1).sqrt()
        return (tril_matrix_to_vec(y, diag=-1) / lengths).atanh()

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        # the rows' last elements but one depend on nothing else: no factor for them
        left = tril_matrix_to_vec(1 - y.square().cumsum(-1), diag=-2)
        tanh = 2 * (math.log(2) - x - softplus(-2 * x))
        return left.log().sum(-1) / 2 + tanh.sum(-1)

    def forward_shape(self, shape):
        check_dims(shape, 1)
        count = shape[-1]
        size = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != count:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (size, size)

    def inverse_shape(self, shape):
        check_dims(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class ReshapeTransform(Transform):
    """The dimensions at the end in another shape; the Jacobian is 1.

    Args:
        in_shape: the shape of x.
        out_shape: the shape of y, with as many elements.
    """

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        self.in_shape = Size(in_shape)
        self.out_shape = Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self):
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self):
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size=1):
        if self._cache_size == cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x):
        return x.reshape(_front(x.shape, self.in_shape) + self.out_shape)

    def _inverse(self, y):
        return y.reshape(_front(y.shape, self.out_shape) + self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(_front(x.shape, self.in_shape))

    def forward_shape(self, shape):
        return _exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        return _exchanged(shape, self.out_shape, self.in_shape)


def _front(shape, end):
    return shape[: len(shape) - len(end)]


def _exchanged(shape, old, new):
    check_dims(shape, len(old))
    front = _front(shape, old)
    if shape[len(front) :] != old:
        raise ValueError(f"Shape mismatch: expected {shape[len(front) :]} but got {old}")
    return front + new
