"""Distributions with parameters and a value of each: the table that the tests here go through.

A case makes the same distribution of torch's or Kuai's tensors. The parameters are float64, so that
values and gradients can be compared closely.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import kuai
import kuai.distributions  # noqa: F401 - it is loaded when it is first asked for


def some(names: Iterable[Any], every: int) -> list[Any]:
    """Every so many of them; all with `KUAI_DISTRIBUTIONS=all`, as `make distributions` says."""
    return list(names)[:: 1 if os.environ.get("KUAI_DISTRIBUTIONS") == "all" else every]


@dataclasses.dataclass(frozen=True)
class Case:
    """One distribution.

    Args:
        make: `make(D, *parameters)`, where `D` is torch's or Kuai's package.
        parameters: an array for each parameter that a gradient flows to.
        value: where the density is compared.
        differing: what is right here and wrong in PyTorch.
        moments: whether sample means are to be near `mean` and `variance`.
    """

    make: Callable[..., Any]
    parameters: tuple[Any, ...]
    value: Any
    differing: tuple[str, ...] = ()
    moments: bool = True
    rtol: float = 1e-9
    dtype: str = "float64"

    def of(self, t, requires_grad=False):
        """The distribution, its parameters and the value, as tensors of the module `t`."""
        tensors = [t.tensor(np.asarray(p, self.dtype)) for p in self.parameters]
        if requires_grad:
            for tensor in tensors:
                tensor.requires_grad_(True)
        value = t.tensor(np.asarray(self.value, self.dtype))
        return self.make(t.distributions, *tensors), tensors, value


def lower(size, seed=0):
    rng = np.random.default_rng(seed)
    return np.tril(rng.normal(size=(size, size)), -1) + np.diag(rng.uniform(0.5, 1.5, size))


def positive(size, seed=0):
    return lower(size, seed) @ lower(size, seed).T


A = [0.5, 1.5, 4.0]
B = [2.0, 0.7, 1.0]
P = [0.2, 0.5, 0.9]
LOGITS = [-1.0, 0.0, 2.0]
X = [-0.5, 0.3, 2.0]
U = [0.1, 0.5, 0.8]
COUNTS = [0.0, 1.0, 1.0]
ROW = [0.1, 0.2, 0.7]
ROWS = [[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]
CASES = {
    "Bernoulli": Case(lambda D, p: D.Bernoulli(p), (P,), COUNTS),
    "Bernoulli-logits": Case(lambda D, p: D.Bernoulli(logits=p), (LOGITS,), COUNTS),
    "Beta": Case(lambda D, a, b: D.Beta(a, b), (A, B), U),
    "Binomial": Case(lambda D, p: D.Binomial(3, p), (P,), COUNTS),
    "Binomial-logits": Case(lambda D, p: D.Binomial(3, logits=p), (LOGITS,), COUNTS),
    "Categorical": Case(lambda D, p: D.Categorical(p), (ROWS,), [2.0, 0.0], moments=False),
    "Categorical-logits": Case(
        lambda D, p: D.Categorical(logits=p), (ROWS,), [2.0, 0.0], moments=False
    ),
    "Cauchy": Case(lambda D, a, b: D.Cauchy(a, b), (X, B), A, moments=False),
    "Chi2": Case(lambda D, a: D.Chi2(a), (A,), B),
    "ContinuousBernoulli": Case(lambda D, p: D.ContinuousBernoulli(p), (P,), U),
    "ContinuousBernoulli-logits": Case(lambda D, p: D.ContinuousBernoulli(logits=p), (LOGITS,), U),
    "Dirichlet": Case(lambda D, a: D.Dirichlet(a), ([A, B],), ROWS),
    "Exponential": Case(lambda D, a: D.Exponential(a), (A,), B),
    "FisherSnedecor": Case(
        lambda D, a, b: D.FisherSnedecor(a, b), ([3.0, 1.0, 5.0], [6.0, 9.0, 12.0]), B
    ),
    "Gamma": Case(lambda D, a, b: D.Gamma(a, b), (A, B), [0.3, 1.0, 5.0]),
    "GeneralizedPareto": Case(
        lambda D, a, b, c: D.GeneralizedPareto(a, b, c),
        (X, A, [0.0, 0.2, -0.5]),
        [0.3, 1.0, 5.0],
        rtol=1e-5,
        dtype="float32",  # PyTorch's density works for that dtype only
    ),
    "Geometric": Case(lambda D, p: D.Geometric(p), (P,), COUNTS),
    "Geometric-logits": Case(lambda D, p: D.Geometric(logits=p), (LOGITS,), COUNTS),
    "Gumbel": Case(lambda D, a, b: D.Gumbel(a, b), (X, A), B),
    "HalfCauchy": Case(lambda D, a: D.HalfCauchy(a), (A,), B, moments=False),
    "HalfNormal": Case(lambda D, a: D.HalfNormal(a), (A,), B),
    "Independent": Case(lambda D, a, b: D.Independent(D.Normal(a, b), 1), (X, A), B),
    "InverseGamma": Case(
        lambda D, a, b: D.InverseGamma(a, b), ([3.0, 4.0, 7.0], B), A, moments=False
    ),
    # PyTorch's mode is nan everywhere
    "Kumaraswamy": Case(lambda D, a, b: D.Kumaraswamy(a, b), (A, B), U, differing=("mode",)),
    "LKJCholesky": Case(
        lambda D, a: D.LKJCholesky(3, a),
        ([0.5, 2.0],),
        [[[1, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]], np.eye(3)],
    ),
    "Laplace": Case(lambda D, a, b: D.Laplace(a, b), (X, A), B),
    "LogNormal": Case(lambda D, a, b: D.LogNormal(a, b), (X, [0.5, 0.3, 0.2]), B),
    "LogisticNormal": Case(
        lambda D, a, b: D.LogisticNormal(a, b), ([X, A], [A, B]), [[0.1, 0.2, 0.3, 0.4]] * 2
    ),
    "LowRankMultivariateNormal": Case(
        lambda D, a, w, d: D.LowRankMultivariateNormal(a, w, d),
        ([X, A], lower(3)[:, :2], B),
        [B, X],
    ),
    "MixtureSameFamily": Case(
        lambda D, p, a, b: D.MixtureSameFamily(D.Categorical(p), D.Normal(a, b)),
        (ROWS, [X, A], [A, B]),
        [0.1, 2.0],
    ),
    "MixtureSameFamily-vectors": Case(
        lambda D, p, a, b: D.MixtureSameFamily(D.Categorical(p), D.Independent(D.Normal(a, b), 1)),
        (ROW, [[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]], [[0.5, 1.0]] * 3),
        [0.1, 2.0],
    ),
    # PyTorch computes log n! of its entropy in float32
    "Multinomial": Case(
        lambda D, p: D.Multinomial(4, p), (ROWS,), [[1.0, 0, 3], [2, 2, 0]], rtol=1e-7
    ),
    "Multinomial-logits": Case(
        lambda D, p: D.Multinomial(4, logits=p), (ROWS,), [[1.0, 0, 3], [2, 2, 0]], rtol=1e-7
    ),
    "MultivariateNormal": Case(
        lambda D, a, c: D.MultivariateNormal(a, c), ([X, A], positive(3)), [B, X]
    ),
    "MultivariateNormal-batches": Case(
        lambda D, a, c: D.MultivariateNormal(a, scale_tril=c),
        (X, np.stack([lower(3), lower(3, 1)])),
        [[[0.1, 0.2, 0.3]] * 2, [B, X]],
    ),
    "MultivariateNormal-precision": Case(
        lambda D, a, c: D.MultivariateNormal(a, precision_matrix=c), (X, positive(3)), B
    ),
    "NegativeBinomial": Case(lambda D, a, p: D.NegativeBinomial(a, p), (A, P), COUNTS),
    "NegativeBinomial-logits": Case(
        lambda D, a, p: D.NegativeBinomial(a, logits=p), (A, LOGITS), COUNTS
    ),
    "Normal": Case(lambda D, a, b: D.Normal(a, b), (X, A), B),
    "OneHotCategorical": Case(
        lambda D, p: D.OneHotCategorical(p), (ROWS,), [[0.0, 0, 1], [1, 0, 0]]
    ),
    "OneHotCategoricalStraightThrough": Case(
        lambda D, p: D.OneHotCategoricalStraightThrough(logits=p),
        (ROWS,),
        [[0.0, 0, 1], [1, 0, 0]],
    ),
    "Pareto": Case(
        lambda D, a, b: D.Pareto(a, b), ([0.5, 1.0, 2.0], [3.0, 7.0, 9.0]), [0.6, 1.5, 2.5]
    ),
    "Poisson": Case(lambda D, a: D.Poisson(a), (A,), [0.0, 3.0, 5.0]),
    "RelaxedBernoulli": Case(lambda D, t, p: D.RelaxedBernoulli(t, p), (0.7, P), U),
    "RelaxedOneHotCategorical": Case(
        lambda D, t, p: D.RelaxedOneHotCategorical(t, p), (0.7, ROWS), ROWS
    ),
    "StudentT": Case(
        lambda D, d, a, b: D.StudentT(d, a, b), ([9.0, 5.0, 7.0], X, A), B, moments=False
    ),
    "TransformedDistribution": Case(
        lambda D, a, b: D.TransformedDistribution(
            D.Normal(a, b), [D.AffineTransform(a, -b), D.SigmoidTransform()]
        ),
        (X, A),
        U,
    ),
    "Uniform": Case(lambda D, a, b: D.Uniform(a, b), (X, [1.0, 2.0, 5.0]), [0.1, 0.9, 3.0]),
    # PyTorch's Bessel functions are good for seven digits
    "VonMises": Case(lambda D, a, b: D.VonMises(a, b), (X, A), B, moments=False, rtol=3e-6),
    "Weibull": Case(lambda D, a, b: D.Weibull(a, b), (A, [2.0, 1.5, 3.0]), B),
    "Wishart": Case(
        lambda D, d, c: D.Wishart(d, c), ([4.0, 6.5], positive(3)), [positive(3, 1)] * 2
    ),
    "Wishart-precision": Case(
        lambda D, c: D.Wishart(5.0, precision_matrix=c), (positive(3),), positive(3, 1)
    ),
}
