"""Divergences beside PyTorch's, for its whole table of pairs: values and gradients."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.distributions.kl import _KL_REGISTRY as PAIRS

import kuai
import kuai.distributions as D
from kuai.distributions.kl import _KL_REGISTRY
from tests.distributions.cases import CASES, lower, positive, some

A, B = [0.5, 1.5, 4.0], [2.0, 0.7, 1.2]
#: Two distributions of each family, as (make, parameters); the second ones' regions hold the first.
FAMILIES = {
    "Bernoulli": (lambda D, p: D.Bernoulli(p), ([0.2, 0.0, 1.0],), ([0.3, 0.5, 0.4],)),
    "Beta": (lambda D, a, b: D.Beta(a, b), (A, B), (B, A)),
    "Binomial": (lambda D, p: D.Binomial(4, p), ([0.2, 0.5, 0.7],), ([0.3, 0.5, 0.4],)),
    "Categorical": (
        lambda D, p: D.Categorical(p),
        ([[0.2, 0.8, 0.0], [0.1, 0.4, 0.5]],),
        ([[0.3, 0.3, 0.4], [0.5, 0.0, 0.5]],),
    ),
    "Cauchy": (lambda D, a, b: D.Cauchy(a, b), (A, B), (B, A)),
    "ContinuousBernoulli": (
        lambda D, p: D.ContinuousBernoulli(p),
        ([0.2, 0.5, 0.7],),
        ([0.3, 0.9, 0.4],),
    ),
    "Dirichlet": (lambda D, a: D.Dirichlet(a), ([A, B],), ([B, A],)),
    "Exponential": (lambda D, a: D.Exponential(a), (A,), (B,)),
    "Gamma": (lambda D, a, b: D.Gamma(a, b), (A, B), (B, A)),
    "Geometric": (lambda D, p: D.Geometric(p), ([0.2, 0.5, 0.7],), ([0.3, 0.5, 0.4],)),
    "Gumbel": (lambda D, a, b: D.Gumbel(a, b), (A, B), (B, A)),
    "HalfNormal": (lambda D, a: D.HalfNormal(a), (A,), (B,)),
    "Independent": (lambda D, a, b: D.Independent(D.Normal(a, b), 1), (A, B), (B, A)),
    "Laplace": (lambda D, a, b: D.Laplace(a, b), (A, B), (B, A)),
    "LowRankMultivariateNormal": (
        lambda D, a, w, d: D.LowRankMultivariateNormal(a, w, d),
        ([A, B], lower(3)[:, :2], B),
        ([B, A], lower(3, 1)[:, :1], A),
    ),
    "MultivariateNormal": (
        lambda D, a, c: D.MultivariateNormal(a, c),
        ([A, B], positive(3)),
        (B, positive(3, 1)),
    ),
    "Normal": (lambda D, a, b: D.Normal(a, b), (A, B), (B, A)),
    "OneHotCategorical": (
        lambda D, p: D.OneHotCategorical(p),
        ([[0.2, 0.8, 0.0], [0.1, 0.4, 0.5]],),
        ([[0.3, 0.3, 0.4], [0.5, 0.0, 0.5]],),
    ),
    "Pareto": (lambda D, a, b: D.Pareto(a, b), (A, [3.0, 1.5, 0.7]), ([0.2, 1.0, 5.0], B)),
    "Poisson": (lambda D, a: D.Poisson(a), (A,), (B,)),
    "TransformedDistribution": (
        lambda D, a, b: D.LogNormal(a, b),
        (A, B),
        (B, A),
    ),
    "Uniform": (
        lambda D, a, b: D.Uniform(a, b),
        ([0.3, 0.5, 0.0], [0.9, 0.8, 0.7]),
        ([-0.5, 0.2, 0.4], [2.0, 0.9, 3.0]),
    ),
}
NAMES = sorted((p.__name__, q.__name__) for p, q in PAIRS if p.__name__ != "ExponentialFamily")
#: Where PyTorch gives inf though the first distribution lies inside the second one.
TOO_INFINITE = {("ContinuousBernoulli", "Uniform"), ("Uniform", "ContinuousBernoulli")}


def divergence(t, names):
    made, leaves = [], []
    for place, name in enumerate(names):
        make, *parameters = FAMILIES[name]
        tensors = [
            t.tensor(np.asarray(each, np.float64), requires_grad=True) for each in parameters[place]
        ]
        leaves += tensors
        made.append(make(t.distributions, *tensors))
    value = t.distributions.kl_divergence(*made)
    finite = value[t.isfinite(value)].sum()
    if not finite.requires_grad:
        return value, [None] * len(leaves)
    return value, t.autograd.grad(finite, leaves, allow_unused=True)


def test_the_table_is_pytorchs():
    theirs = {(p.__name__, q.__name__) for p, q in PAIRS}
    assert {(p.__name__, q.__name__) for p, q in _KL_REGISTRY} == theirs


@pytest.mark.parametrize("names", some(NAMES, 3), ids="-".join)
@pytest.mark.filterwarnings("ignore")
def test_pair(names):
    ours, gradients = divergence(kuai, names)
    theirs, wanted = divergence(torch, names)
    assert tuple(ours.shape) == tuple(theirs.shape)
    found, known = ours.detach().numpy(), theirs.detach().numpy()
    if names in TOO_INFINITE:
        assert (np.isinf(known) | (np.isclose(known, found))).all() and np.isfinite(found).any()
        return
    np.testing.assert_allclose(found, known, rtol=1e-8, atol=1e-10)
    for mine, other in zip(gradients, wanted, strict=True):
        if other is not None and bool(torch.isfinite(other).all()) and mine is not None:
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("names", sorted(TOO_INFINITE))
def test_by_sampling_where_pytorch_says_inf(names):
    kuai.manual_seed(0)
    p = {"ContinuousBernoulli": D.ContinuousBernoulli(0.3), "Uniform": D.Uniform(0.0, 1.0)}
    first, second = (p[name] for name in names)
    x = first.sample((20_000,)).clamp(1e-6, 1 - 1e-6)
    wanted = (first.log_prob(x) - second.log_prob(x)).mean()
    assert abs(float(D.kl_divergence(first, second) - wanted)) < 0.02


@pytest.mark.parametrize("name", ["Bernoulli", "Exponential", "Gamma", "Normal", "Poisson", "Beta"])
def test_exponential_families_by_their_normaliser(name):
    """The Bregman divergence of the normaliser, beside the closed form."""
    make, first, second = FAMILIES[name]
    if name == "Bernoulli":
        first = ([0.2, 0.4, 0.9],)
    p, q = (
        make(D, *(kuai.tensor(each, dtype=kuai.float64) for each in parameters))
        for parameters in (first, second)
    )
    general = _KL_REGISTRY[D.ExponentialFamily, D.ExponentialFamily](p, q)
    np.testing.assert_allclose(general.detach().numpy(), D.kl_divergence(p, q).numpy(), rtol=1e-8)
    if name not in ("Poisson", "Beta"):
        entropy = D.ExponentialFamily.entropy(p)
        np.testing.assert_allclose(entropy.detach().numpy(), p.entropy().numpy(), rtol=1e-8)


@pytest.mark.parametrize("name", some(CASES, 5))
@pytest.mark.filterwarnings("ignore")
def test_of_a_distribution_with_itself(name):
    ours, _, _ = CASES[name].of(kuai)
    theirs, _, _ = CASES[name].of(torch)
    try:
        known = torch.distributions.kl_divergence(theirs, theirs)
    except NotImplementedError as error:
        with pytest.raises(NotImplementedError) as caught:
            D.kl_divergence(ours, ours)
        assert str(caught.value) == str(error)
        return
    found = D.kl_divergence(ours, ours)
    assert tuple(found.shape) == tuple(known.shape)
    np.testing.assert_allclose(found.detach().numpy(), 0, atol=1e-6)


def test_what_is_not_there():
    with pytest.raises(NotImplementedError) as caught:
        D.kl_divergence(D.Normal(0.0, 1.0), D.Cauchy(0.0, 1.0))
    assert str(caught.value) == ("No KL(p || q) is implemented for p type Normal and q type Cauchy")
    with pytest.raises(TypeError):
        D.register_kl("Normal", D.Normal)


def test_registering_and_ambiguity():
    class Mine(D.Normal):
        pass

    class Yours(D.Normal):
        pass

    @D.register_kl(Mine, D.Normal)
    def first(p, q):
        return kuai.tensor(1.0)

    @D.register_kl(D.Normal, Yours)
    def second(p, q):
        return kuai.tensor(2.0)

    try:
        mine, yours = Mine(0.0, 1.0), Yours(0.0, 1.0)
        assert float(D.kl_divergence(mine, D.Normal(0.0, 1.0))) == 1
        assert float(D.kl_divergence(D.Normal(0.0, 1.0), yours)) == 2
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert float(D.kl_divergence(mine, yours)) == 1
        assert [str(each.message) for each in caught] == [
            "Ambiguous kl_divergence(Mine, Yours). Please register_kl(Mine, Yours)"
        ]
    finally:
        del _KL_REGISTRY[Mine, D.Normal], _KL_REGISTRY[D.Normal, Yours]
        D.register_kl(D.Normal, D.Normal)(
            _KL_REGISTRY[D.Normal, D.Normal]
        )  # forgets what was found
    assert math.isclose(float(D.kl_divergence(mine, yours)), 0)
