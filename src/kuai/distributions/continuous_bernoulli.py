"""The continuous Bernoulli distribution."""

import math

from kuai.distributions import constraints
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.functions import binary_cross_entropy_with_logits, where
from kuai.distributions.odds import GivenByOdds
from kuai.distributions.utils import (
    broadcast_all,
    clamp_probs,
    is_refused,
    lazy_property,
    logits_to_probs,
    may_be_checked,
    standard_uniform,
)
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(GivenByOdds, ExponentialFamily):
    """Numbers in [0, 1] with the density p(x) = C(λ) λ^x (1-λ)^(1-x), λ = probs.

    Near λ = 1/2, where the closed forms divide 0 by 0, their Taylor series are used.
    Loaiza-Ganem, Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders" (2019), https://arxiv.org/abs/1907.06845.

    Args:
        probs: λ; it is not the mean.
        logits: its log odds; one of the two is given.
        lims: between these values of λ the Taylor series are used.

    Example:
        >>> m = kuai.distributions.ContinuousBernoulli(kuai.tensor([0.3]))
        >>> m.log_prob(kuai.tensor([0.5]))
        tensor([-0.0297])
        >>> m.mean
        tensor([0.4302])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._take(probs, logits)
        self._lims = lims
        if self._given == "probs":
            is_checked = validate_args is not False and may_be_checked()
            if is_checked and is_refused(constraints.unit_interval.check(self.probs)):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        super().__init__(self.param_shape, validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """λ."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _is_stable(self):
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _either(self, closed_form, series):
        """The closed form where it is stable, else the Taylor series in λ - 1/2."""
        is_stable = self._is_stable()
        inside = where(is_stable, self.probs, self._lims[0])
        return where(is_stable, closed_form(inside), series(self.probs - 0.5))

    def _cont_bern_log_norm(self):
        """log C(λ)."""
        return self._either(
            lambda p: _log_odds(p).abs().log() - (1 - 2 * p).abs().log(),
            lambda x: math.log(2) + (4 / 3 + 104 / 45 * x.square()) * x.square(),
        )

    @property
    def mean(self) -> Tensor:
        return self._either(
            lambda p: p / (2 * p - 1) - 1 / _log_odds(p),
            lambda x: 0.5 + (1 / 3 + 16 / 45 * x.square()) * x,
        )

    @property
    def variance(self) -> Tensor:
        return self._either(
            lambda p: p * (p - 1) / (1 - 2 * p).square() + 1 / _log_odds(p).square(),
            lambda x: 1 / 12 - (1 / 15 - 128 / 945 * x.square()) * x.square(),
        )

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        return self.icdf(standard_uniform(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        kernel = binary_cross_entropy_with_logits(logits, value, reduction="none")
        return self._cont_bern_log_norm() - kernel

    def cdf(self, value) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        inside = self._either(
            lambda p: (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1),
            lambda x: value,
        )
        return where(value <= 0, 0.0, where(value >= 1, 1.0, inside))

    def icdf(self, value) -> Tensor:
        return self._either(
            lambda p: ((value * (2 * p - 1) - p).log1p() - (-p).log1p()) / _log_odds(p),
            lambda x: value,
        )

    def entropy(self) -> Tensor:
        log_failure = (-self.probs).log1p()
        slope = log_failure - self.probs.log()
        return self.mean * slope - self._cont_bern_log_norm() - log_failure

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        """log((eˣ - 1) / x)."""
        low, high = (limit - 0.5 for limit in self._lims)
        is_stable = (x <= low) | (x > high)
        inside = where(is_stable, x, low)
        closed_form = inside.expm1().abs().log() - inside.abs().log()
        return where(is_stable, closed_form, x / 2 + x.square() / 24 - x.pow(4) / 2880)


def _log_odds(probs):
    return probs.log() - (-probs).log1p()
