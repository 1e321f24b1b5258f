"""The functions of tensors that the formulas of this package are written with."""

from kuai.ops.array.creation import full, full_like, ones_like, tensor, zeros_like
from kuai.ops.array.distribution_draws import (
    binomial,
    log_standard_gamma,
    standard_gamma,
    von_mises_with,
)
from kuai.ops.array.existing_data import as_tensor
from kuai.ops.array.joining import broadcast_tensors, cat, stack
from kuai.ops.array.random_fills import bernoulli, multinomial, poisson
from kuai.ops.array.random_values import rand, randn
from kuai.ops.array.rearranging import diag_embed
from kuai.ops.array.sequences import arange, eye
from kuai.ops.math.comparison import isclose, where
from kuai.ops.math.distribution_functions import (
    are_positive_definite,
    log_bessel_i0,
    log_bessel_i1,
    lower_gamma,
)
from kuai.ops.math.factorization import eigvalsh, linalg_cholesky as cholesky
from kuai.ops.math.solutions import slogdet, solve_triangular
from kuai.ops.math.special import logaddexp, xlogy
from kuai.ops.nn.activation import softplus
from kuai.ops.nn.classification import binary_cross_entropy_with_logits
from kuai.ops.nn.embedding import one_hot
from kuai.ops.nn.padding import pad

__all__ = [
    "arange",
    "are_positive_definite",
    "as_tensor",
    "bernoulli",
    "binary_cross_entropy_with_logits",
    "binomial",
    "broadcast_tensors",
    "cat",
    "cholesky",
    "diag_embed",
    "eigvalsh",
    "eye",
    "full",
    "full_like",
    "isclose",
    "log_bessel_i0",
    "log_bessel_i1",
    "log_standard_gamma",
    "logaddexp",
    "lower_gamma",
    "multinomial",
    "one_hot",
    "ones_like",
    "pad",
    "poisson",
    "rand",
    "randn",
    "slogdet",
    "softplus",
    "solve_triangular",
    "stack",
    "standard_gamma",
    "tensor",
    "von_mises_with",
    "where",
    "xlogy",
    "zeros_like",
]
