"""Divergences of distributions of two families.

KL(p ‖ q) = -H(p) - E_p[log q(x)], and for every q here the second term needs a few moments of p
only. So each q has one formula, and each p says its moments:

    mean, variance      p's own            log_mean(p)      E[log x]
                                           exp_mean(p, s)   E[exp(-x / s)]

Where p puts weight on what q excludes, the divergence is infinite.
"""

import math

from kuai.distributions.bernoulli import Bernoulli
from kuai.distributions.beta import Beta
from kuai.distributions.binomial import Binomial
from kuai.distributions.continuous_bernoulli import ContinuousBernoulli
from kuai.distributions.exponential import Exponential
from kuai.distributions.functions import full_like, where, xlogy
from kuai.distributions.gamma import Gamma
from kuai.distributions.gumbel import Gumbel
from kuai.distributions.kl import register_kl
from kuai.distributions.laplace import Laplace
from kuai.distributions.normal import Normal
from kuai.distributions.pareto import Pareto
from kuai.distributions.poisson import Poisson
from kuai.distributions.uniform import Uniform
from kuai.distributions.utils import euler_constant

# Moments ------------------------------------------------------------------------------------------


def _mean_of_log(low, high):
    """E[log x] for x uniform in [low, high]."""
    return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1


LOG_MEANS = {
    Beta: lambda p: p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma(),
    Exponential: lambda p: -p.rate.log() - euler_constant,
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _mean_of_log(p.low, p.high),
}

EXP_MEANS = {
    Exponential: lambda p, s: p.rate * s / (p.rate * s + 1),
    Gamma: lambda p, s: (1 + 1 / (p.rate * s)).pow(-p.concentration),
    Normal: lambda p, s: (p.variance / (2 * s.square()) - p.loc / s).exp(),
    Uniform: lambda p, s: s / (p.high - p.low) * ((-p.low / s).exp() - (-p.high / s).exp()),
}


def _moment_of(table, p):
    return next(table[kind] for kind in type(p).__mro__ if kind in table)


# -E_p[log q(x)] -----------------------------------------------------------------------------------


def _under_normal(p, q):
    squares = p.variance + (p.mean - q.loc).square()
    return q.scale.log() + math.log(2 * math.pi) / 2 + squares / (2 * q.variance)


def _under_exponential(p, q):
    return q.rate * p.mean - q.rate.log()


def _under_gamma(p, q):
    log_mean = _moment_of(LOG_MEANS, p)(p)
    normalizer = q.concentration.lgamma() - q.concentration * q.rate.log()
    return normalizer - (q.concentration - 1) * log_mean + q.rate * p.mean


def _under_gumbel(p, q):
    moment = _moment_of(EXP_MEANS, p)(p, q.scale)
    return q.scale.log() + (p.mean - q.loc) / q.scale + (q.loc / q.scale).exp() * moment


def _under_continuous_bernoulli(p, q):
    return -(p.mean * q.logits + (-q.probs).log1p() + q._cont_bern_log_norm())


def _under_uniform(p, q):
    low, high = 0, 1  # of Beta and ContinuousBernoulli
    return where((q.low > low) | (q.high < high), math.inf, q.entropy())


def _under_beta(p, q):
    a, b = q.concentration1, q.concentration0
    log_mean, log_rest = _mean_of_log(p.low, p.high), _mean_of_log(1 - p.high, 1 - p.low)
    return q._log_normalizer(a, b) - (a - 1) * log_mean - (b - 1) * log_rest


def _under_pareto(p, q):
    log_mean = _moment_of(LOG_MEANS, p)(p)
    return (q.alpha + 1) * log_mean - q.alpha.log() - q.alpha * q.scale.log()


def _under_poisson(p, q):
    return q.rate - p.probs * q.rate.log()  # log x! is 0 for 0 and 1


def _under_laplace(p, q):
    """E|x - loc| of a normal x: the mean of a folded normal distribution."""
    distance = (p.loc - q.loc) / p.scale
    density = (-distance.square() / 2).exp() * math.sqrt(2 / math.pi)
    folded = p.scale * (density + distance * (distance / math.sqrt(2)).erf())
    return (2 * q.scale).log() + folded / q.scale


CROSS_ENTROPIES = {
    Normal: (_under_normal, [Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace]),
    Exponential: (_under_exponential, [Beta, ContinuousBernoulli, Gamma]),
    Gamma: (_under_gamma, [Beta, Exponential]),
    Gumbel: (_under_gumbel, [Exponential, Gamma, Normal, Uniform]),
    ContinuousBernoulli: (_under_continuous_bernoulli, [Beta]),
    Uniform: (_under_uniform, [Beta, ContinuousBernoulli]),
    Poisson: (_under_poisson, [Bernoulli]),
    Laplace: (_under_laplace, [Normal]),
}


def _register(kind, other, cross_entropy):
    @register_kl(kind, other)
    def divergence(p, q):
        return cross_entropy(p, q) - p.entropy()


for _other, (_formula, _kinds) in CROSS_ENTROPIES.items():
    for _kind in _kinds:
        _register(_kind, _other, _formula)
_register(Uniform, Normal, _under_normal)


# Pareto distributions, whose moments may be infinite ----------------------------------------------


def _register_pareto(other, cross_entropy, least):
    """A formula that holds where alpha is above `least`; elsewhere a moment of p is infinite."""

    @register_kl(Pareto, other)
    def divergence(p, q):
        is_finite = p.alpha > least
        alpha = where(is_finite, p.alpha, least + 1.0)  # so that no gradient is 0 · inf
        inside = Pareto(p.scale, alpha, validate_args=False)
        return where(is_finite, cross_entropy(inside, q) - inside.entropy(), math.inf)


_register_pareto(Exponential, _under_exponential, 1)
_register_pareto(Gamma, _under_gamma, 1)
_register_pareto(Normal, _under_normal, 2)


# Uniform distributions, which another one may not contain -----------------------------------------


def _register_inside(other, cross_entropy, sticks_out):
    @register_kl(Uniform, other)
    def divergence(p, q):
        return where(sticks_out(p, q), math.inf, cross_entropy(p, q) - p.entropy())


def _leaves_unit_interval(p, q):
    return (p.high > 1) | (p.low < 0)


def _is_negative(p, q):
    return p.low < 0


_register_inside(Beta, _under_beta, _leaves_unit_interval)
_register_inside(ContinuousBernoulli, _under_continuous_bernoulli, _leaves_unit_interval)
_register_inside(Exponential, _under_exponential, _is_negative)
_register_inside(Gamma, _under_gamma, _is_negative)
_register_inside(Pareto, _under_pareto, lambda p, q: p.low < q.scale)


# What can never lie inside the other --------------------------------------------------------------

NEVER_INSIDE = {
    "concentration1": {Beta: [Pareto]},
    "probs": {ContinuousBernoulli: [Pareto]},
    "rate": {
        Exponential: [Beta, ContinuousBernoulli, Pareto, Uniform],
        Poisson: [Bernoulli, Binomial],
    },
    "concentration": {Gamma: [Beta, ContinuousBernoulli, Pareto, Uniform]},
    "loc": dict.fromkeys(
        (Gumbel, Laplace, Normal),
        [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    ),
    "scale": {Pareto: [Beta, ContinuousBernoulli, Uniform]},
}


def _register_infinite(kind, other, parameter):
    @register_kl(kind, other)
    def divergence(p, q):
        return full_like(getattr(p, parameter), math.inf)


for _parameter, _table in NEVER_INSIDE.items():
    for _kind, _others in _table.items():
        for _other in _others:
            _register_infinite(_kind, _other, _parameter)
