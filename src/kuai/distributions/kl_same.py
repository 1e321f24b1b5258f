"""Divergences of two distributions of one family, in closed form."""

import math

from kuai.distributions.bernoulli import Bernoulli
from kuai.distributions.beta import Beta
from kuai.distributions.binomial import Binomial
from kuai.distributions.categorical import Categorical
from kuai.distributions.cauchy import Cauchy
from kuai.distributions.continuous_bernoulli import ContinuousBernoulli
from kuai.distributions.dirichlet import Dirichlet
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.exponential import Exponential
from kuai.distributions.functions import softplus, where
from kuai.distributions.gamma import Gamma
from kuai.distributions.geometric import Geometric
from kuai.distributions.gumbel import Gumbel
from kuai.distributions.half_normal import HalfNormal
from kuai.distributions.independent import Independent
from kuai.distributions.kl import kl_divergence, register_kl
from kuai.distributions.laplace import Laplace
from kuai.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from kuai.distributions.multivariate_normal import MultivariateNormal
from kuai.distributions.normal import Normal
from kuai.distributions.one_hot_categorical import OneHotCategorical
from kuai.distributions.pareto import Pareto
from kuai.distributions.poisson import Poisson
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.uniform import Uniform
from kuai.distributions.utils import (
    _sum_rightmost,
    euler_constant,
    is_refused,
    may_be_checked,
)

# Outcomes -----------------------------------------------------------------------------------------


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    # log P(1) = -softplus(-logit), log P(0) = -softplus(logit); 0 · log 0 is 0
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    one = where(p.probs == 0, 0.0, where(q.probs == 0, math.inf, one))
    zero = where(p.probs == 1, 0.0, where(q.probs == 1, math.inf, zero))
    return one + zero


@register_kl(Binomial, Binomial)
def _binomial(p, q):
    if may_be_checked() and is_refused(p.total_count >= q.total_count):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    per_trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return where(p.total_count > q.total_count, math.inf, p.total_count * per_trial)


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    each = p.probs * (p.logits - q.logits)
    each = where(p.probs == 0, 0.0, where(q.probs == 0, math.inf, each))
    return each.sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p, q):
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


# Numbers ------------------------------------------------------------------------------------------


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale).square()
    return (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log()) / 2


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p, q):
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p, q):
    # Gil, "On Rényi divergence measures for continuous alphabet sources" (2011)
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return ratio * (-distance / p.scale).exp() + distance / q.scale - ratio.log() - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p, q):
    # Chyzak, Nielsen (2019), https://arxiv.org/abs/1905.10965
    squares = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return squares.log() - (4 * p.scale * q.scale).log()


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    sticks_out = (q.low > p.low) | (q.high < p.high)
    return where(sticks_out, math.inf, q.entropy() - p.entropy())


@register_kl(Gumbel, Gumbel)
def _gumbel(p, q):
    ratio, distance = p.scale / q.scale, (p.loc - q.loc) / q.scale
    moment = ((1 + ratio).lgamma() - distance).exp()
    return distance - ratio.log() + euler_constant * (ratio - 1) + moment - 1


@register_kl(Pareto, Pareto)
def _pareto(p, q):
    ratio = q.alpha / p.alpha
    value = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return where(p.scale < q.scale, math.inf, value)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p, q):
    def log_constant(each):
        return each._cont_bern_log_norm() + (-each.probs).log1p()

    return p.mean * (p.logits - q.logits) + log_constant(p) - log_constant(q)


# Exponential families -----------------------------------------------------------------------------


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Gamma, Gamma)
def _gamma(p, q):
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log()
        + b.lgamma()
        - a.lgamma()
        + (a - b) * a.digamma()
        + (q.rate / p.rate - 1) * a
    )


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p, q):
    a, b = p.concentration, q.concentration
    means = a.digamma() - a.sum(-1, True).digamma()
    return q._log_normalizer(b) - p._log_normalizer(a) + ((a - b) * means).sum(-1)


@register_kl(Beta, Beta)
def _beta(p, q):
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p, q):
    """F(θ_q) - F(θ_p) - <θ_q - θ_p, ∇F(θ_p)>: the Bregman divergence of the log normaliser."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot"
            f"{' ' * 29}be computed using Bregman divergences"
        )
    natural, normalizer, means = p._normalizer_and_means()
    others = q._natural_params
    result = q._log_normalizer(*others) - normalizer
    for ours, theirs, mean in zip(natural, others, means, strict=True):
        product = (theirs - ours) * mean
        result = result - _sum_rightmost(product, product.dim() - result.dim())
    return result


# Vectors ------------------------------------------------------------------------------------------


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _gaussian(p, q):
    """(log det Σq - log det Σp + tr(Σq⁻¹ Σp) + (μp - μq)ᵀ Σq⁻¹ (μp - μq) - n) / 2."""
    if p.event_shape != q.event_shape:
        kinds = f"{type(p).__name__} and {type(q).__name__}"
        raise ValueError(
            f"KL-divergence between {kinds} with different event shapes cannot be computed"
        )
    factor, diagonal = p._spread()
    trace = q._squared_norms(factor).sum(-1)
    if diagonal is not None:
        trace = trace + (q._precision_diagonal() * diagonal).sum(-1)
    distance = q._squared_norms((p.loc - q.loc).unsqueeze(-1)).squeeze(-1)
    return (q._log_det() - p._log_det() + trace + distance - p.event_shape[0]) / 2


# Made of others -----------------------------------------------------------------------------------


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)
