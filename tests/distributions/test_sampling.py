"""Samples: their moments, their gradients, and that compiled steps draw new ones each time."""

import math

import numpy as np
import pytest

import kuai
import kuai.distributions as D
from kuai import nn
from tests.distributions.cases import CASES, some

COUNT = 4_000
#: Distributions of heavy tails or of large matrices: too few samples for their moments.
ROUGH = {"FisherSnedecor", "LogNormal", "Pareto", "GeneralizedPareto", "Wishart"}


def near(found, wanted, spread, count=COUNT):
    """Within five standard errors of the mean."""
    error = np.abs(np.asarray(found) - np.asarray(wanted))
    assert (error <= 5 * np.asarray(spread) / math.sqrt(count) + 1e-6).all(), (found, wanted)


def moments(case):
    distribution, _, _ = case.of(kuai)
    try:
        return distribution, distribution.mean.detach(), distribution.variance.detach()
    except NotImplementedError:
        return distribution, None, None


@pytest.mark.parametrize("name", some([name for name, case in CASES.items() if case.moments], 4))
def test_moments(name):
    kuai.manual_seed(0)
    distribution, mean, variance = moments(CASES[name])
    samples = distribution.sample((COUNT,))
    assert samples.shape == (COUNT, *distribution.batch_shape, *distribution.event_shape)
    assert not samples.requires_grad
    assert bool(distribution.support.check(samples).all())
    if mean is not None:
        near(samples.mean(0), mean, variance.sqrt())
    if variance is not None and name not in ROUGH:
        spread = ((samples - mean) ** 2).std(0)
        near(samples.var(0), variance, spread + variance / 10)


KOLMOGOROV = [
    "Beta",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "Exponential",
    "Gamma",
    "GeneralizedPareto",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "InverseGamma",
    "Kumaraswamy",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "Normal",
    "Pareto",
    "Uniform",
    "Weibull",
]


@pytest.mark.parametrize("name", some(KOLMOGOROV, 4))
def test_samples_follow_the_cdf(name):
    """Kolmogorov and Smirnov: the largest distance of the empirical from the true cdf."""
    kuai.manual_seed(1)
    distribution, _, _ = CASES[name].of(kuai)
    samples = distribution.sample((COUNT,))
    try:
        found = distribution.cdf(samples)
    except NotImplementedError:
        assert name == "Beta"  # as in PyTorch
        return
    uniform = np.sort(np.asarray(found).reshape(COUNT, -1), axis=0)
    steps = (np.arange(COUNT) + 0.5)[:, None] / COUNT
    assert np.abs(uniform - steps).max() < 1.95 / math.sqrt(COUNT)  # p = 0.001


@pytest.mark.parametrize(
    "name", some(["Gamma", "Beta", "Dirichlet", "StudentT", "Normal", "Laplace"], 3)
)
def test_gradient_of_the_mean_of_samples(name):
    """d/dθ E[f(x)] by rsample, beside the derivative of the known E[f(x)]."""
    kuai.manual_seed(2)
    case = CASES[name]
    distribution, parameters, _ = case.of(kuai, requires_grad=True)
    samples = distribution.rsample((COUNT,))
    if name == "StudentT":  # its mean does not depend on df: the mean of squares does
        each, known = samples.square(), distribution.variance + distribution.mean.square()
    else:
        each, known = samples, distribution.mean
    weights = kuai.arange(1.0, known.numel() + 1).reshape(known.shape).double()
    found = kuai.autograd.grad((each.mean(0) * weights).sum(), parameters)
    wanted = kuai.autograd.grad((known * weights).sum(), parameters, allow_unused=True)
    for mine, true in zip(found, wanted, strict=True):
        if true is None:
            assert bool((mine.abs() < 0.2).all())
            continue
        np.testing.assert_allclose(mine.numpy(), true.numpy(), rtol=0.2, atol=0.1)


def test_gamma_gradients_are_those_of_the_cdf():
    """dx/da = -∂F/∂a / p(x), by finite differences of the cdf (implicit reparameterisation)."""
    kuai.manual_seed(3)
    concentration = kuai.tensor([0.3, 1.0, 4.0, 30.0], dtype=kuai.float64, requires_grad=True)
    x = D.Gamma(concentration, 1.0).rsample()
    (found,) = kuai.autograd.grad(x.sum(), [concentration])
    x, a, step = x.detach(), concentration.detach(), 1e-5
    slope = (D.Gamma(a + step, 1.0).cdf(x) - D.Gamma(a - step, 1.0).cdf(x)) / (2 * step)
    wanted = -slope / D.Gamma(a, 1.0).log_prob(x).exp()
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-4)


def test_small_concentrations_stay_finite():
    samples = D.Dirichlet(kuai.full((3,), 1e-3)).sample((500,))
    assert bool(kuai.isfinite(samples).all())
    np.testing.assert_allclose(samples.sum(-1).numpy(), 1, rtol=1e-5)
    gamma = D.Gamma(kuai.full((500,), 1e-3), 1.0).sample()
    assert bool((gamma > 0).all())


def test_edges_of_discrete_distributions():
    assert D.Binomial(5, kuai.tensor([0.0, 1.0])).sample().tolist() == [0, 5]
    assert D.Bernoulli(kuai.tensor([0.0, 1.0])).sample().tolist() == [0, 1]
    assert D.Poisson(kuai.zeros(2)).sample().tolist() == [0, 0]
    assert D.Geometric(kuai.ones(2)).sample().tolist() == [0, 0]
    assert D.Binomial(kuai.zeros(2), 0.5 * kuai.ones(2)).sample().tolist() == [0, 0]
    assert D.Categorical(kuai.tensor([0.0, 1.0, 0.0])).sample((4,)).tolist() == [1] * 4
    large = D.Binomial(1e6, kuai.tensor(0.3)).sample((2000,))
    near(large.mean(), 3e5, math.sqrt(1e6 * 0.3 * 0.7), 2000)


def test_the_seed_decides():
    normal = D.Normal(kuai.zeros(3), 1.0)
    kuai.manual_seed(4)
    first = normal.sample()
    kuai.manual_seed(4)
    assert bool((normal.sample() == first).all())
    assert not bool((normal.sample() == first).any())


def test_von_mises_turns_around():
    kuai.manual_seed(5)
    distribution = D.VonMises(kuai.tensor([3.0, -1.0]), kuai.tensor([2.0, 0.5]))
    samples = distribution.sample((COUNT,))
    assert bool(((samples >= -math.pi) & (samples < math.pi)).all())
    angle = kuai.atan2(samples.sin().mean(0), samples.cos().mean(0))
    np.testing.assert_allclose(angle.numpy(), [3.0, -1.0], atol=0.15)
    length = (samples - distribution.loc).cos().mean(0)
    np.testing.assert_allclose(1 - length.numpy(), distribution.variance.numpy(), atol=0.05)


def test_lkj_of_concentration_1_is_uniform():
    """The correlation of a uniform 2 x 2 correlation matrix is uniform in [-1, 1]."""
    kuai.manual_seed(6)
    factors = D.LKJCholesky(2, 1.0).sample((COUNT,))
    correlation = np.sort((factors @ factors.mT)[:, 0, 1].numpy())
    steps = (np.arange(COUNT) + 0.5) / COUNT * 2 - 1
    assert np.abs(correlation - steps).max() / 2 < 1.95 / math.sqrt(COUNT)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.decoder = nn.Linear(2, 6)

    def forward(self, x):
        loc, log_scale = self.encoder(x).chunk(2, -1)
        posterior = D.Independent(D.Normal(loc, log_scale.exp()), 1)
        code = posterior.rsample()
        likelihood = D.Independent(D.Bernoulli(logits=self.decoder(code)), 1)
        prior = D.Independent(D.Normal(kuai.zeros_like(loc), kuai.ones_like(loc)), 1)
        evidence = likelihood.log_prob(x) - D.kl_divergence(posterior, prior)
        return -evidence.mean(), code


def test_a_compiled_step_of_a_vae_draws_new_numbers():
    kuai.manual_seed(7)
    model = VAE()
    optimizer = kuai.optim.Adam(model.parameters(), lr=0.05)
    x = (kuai.rand(64, 6) < 0.2).float()

    @kuai.compile(fullgraph=True)
    def step():
        optimizer.zero_grad()
        loss, code = model(x)
        loss.backward()
        optimizer.step()
        return loss.detach(), code.detach()

    results = [step() for _ in range(60)]
    codes = [code.numpy() for _, code in results]
    assert all(not (a == b).any() for a, b in zip(codes, codes[1:], strict=False))
    assert float(results[-1][0]) < float(results[0][0]) - 0.3


def test_the_same_step_compiled_and_not_gives_the_same_numbers():
    def run(compiled):
        kuai.manual_seed(8)
        model = VAE()
        optimizer = kuai.optim.SGD(model.parameters(), lr=0.1)
        x = (kuai.rand(8, 6) < 0.2).float()

        def step():
            optimizer.zero_grad()
            loss, _ = model(x)
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = kuai.compile(step) if compiled else step
        return [float(step()) for _ in range(5)]

    np.testing.assert_allclose(run(True), run(False), rtol=1e-5)


def test_a_compiled_policy_gradient_finds_the_best_arm():
    kuai.manual_seed(9)
    logits = kuai.zeros(4, requires_grad=True)
    rewards = kuai.tensor([0.0, 0.2, 1.0, 0.1])
    optimizer = kuai.optim.Adam([logits], lr=0.1)

    @kuai.compile(fullgraph=True)
    def step():
        optimizer.zero_grad()
        policy = D.Categorical(logits=logits.expand(32, 4))
        action = policy.sample()
        loss = -(policy.log_prob(action) * rewards[action]).mean() - 0.01 * policy.entropy().mean()
        loss.backward()
        optimizer.step()
        return action

    actions = [step().tolist() for _ in range(80)]
    assert actions[0] != actions[1]
    assert sum(arm == 2 for arm in actions[-1]) > 24
