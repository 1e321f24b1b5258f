"""What is refused, with PyTorch's errors; and what stays possible."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch

import kuai
import kuai.distributions as D


def both(call):
    """What PyTorch and Kuai say to the same call."""
    torch.distributions.Distribution.set_default_validate_args(True)  # its compiler switches it off
    with pytest.raises(Exception) as theirs:
        call(torch, torch.distributions)
    with pytest.raises(type(theirs.value)) as ours:
        call(kuai, D)
    return str(ours.value), str(theirs.value)


REFUSED = {
    "scale": lambda t, D: D.Normal(t.zeros(2), t.tensor([1.0, -1.0])),
    "nan": lambda t, D: D.Normal(t.tensor(float("nan")), 1.0),
    "probs": lambda t, D: D.Bernoulli(t.tensor([0.5, 1.5])),
    "both": lambda t, D: D.Bernoulli(t.tensor(0.5), t.tensor(0.5)),
    "none": lambda t, D: D.Categorical(),
    "0-d": lambda t, D: D.Categorical(t.tensor(0.5)),
    "simplex": lambda t, D: D.Categorical(t.tensor([-0.5, 1.5])),
    "logits": lambda t, D: D.Categorical(logits=t.tensor([float("nan"), 1.0])),
    "geometric": lambda t, D: D.Geometric(t.tensor([0.0, 0.5])),
    "uniform": lambda t, D: D.Uniform(t.tensor([1.0]), t.tensor([0.5])),
    "count": lambda t, D: D.Binomial(t.tensor([1.5]), t.tensor([0.5])),
    "continuous": lambda t, D: D.ContinuousBernoulli(t.tensor([1.5]), validate_args=True),
    "type": lambda t, D: D.Normal("a", 1.0),
    "dirichlet": lambda t, D: D.Dirichlet(t.tensor(1.0)),
    "dirichlet values": lambda t, D: D.Dirichlet(t.tensor([1.0, 0.0])),
    "mvn one": lambda t, D: D.MultivariateNormal(t.zeros(2)),
    "mvn loc": lambda t, D: D.MultivariateNormal(t.tensor(0.0), t.eye(2)),
    "mvn matrix": lambda t, D: D.MultivariateNormal(t.zeros(2), t.ones(2)),
    "mvn factor": lambda t, D: D.MultivariateNormal(t.zeros(2), scale_tril=t.ones(2)),
    "mvn indefinite": lambda t, D: D.MultivariateNormal(t.zeros(2), -t.eye(2)),
    "mvn upper": lambda t, D: D.MultivariateNormal(t.zeros(2), scale_tril=t.ones(2, 2)),
    "low rank": lambda t, D: D.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2)),
    "low rank diagonal": lambda t, D: D.LowRankMultivariateNormal(
        t.zeros(2), t.ones(2, 1), t.ones(3)
    ),
    "low rank batch": lambda t, D: D.LowRankMultivariateNormal(
        t.zeros(3, 2), t.ones(2, 2, 1), t.ones(2)
    ),
    "wishart": lambda t, D: D.Wishart(t.tensor(0.5), t.eye(2)),
    "wishart one": lambda t, D: D.Wishart(t.tensor(3.0)),
    "lkj": lambda t, D: D.LKJCholesky(1),
    "multinomial": lambda t, D: D.Multinomial(t.tensor([2]), t.ones(2)),
    "independent": lambda t, D: D.Independent(D.Normal(0.0, 1.0), 1),
    "mixture": lambda t, D: D.MixtureSameFamily(
        D.Categorical(t.ones(2)), D.Normal(t.zeros(3), 1.0)
    ),
    "mixture batch": lambda t, D: D.MixtureSameFamily(
        D.Categorical(t.ones(4, 2)), D.Normal(t.zeros(3, 2), 1.0)
    ),
    "mixture kind": lambda t, D: D.MixtureSameFamily(
        D.Normal(t.zeros(2), 1.0), D.Normal(t.zeros(2), 1.0)
    ),
    "value": lambda t, D: D.Bernoulli(t.tensor(0.5)).log_prob(t.tensor(0.5)),
    "number": lambda t, D: D.Normal(0.0, 1.0).log_prob(0.5),
    "outside": lambda t, D: D.Beta(t.ones(2), 1.0).log_prob(t.tensor([0.5, 1.5])),
    "negative": lambda t, D: D.Exponential(1.0).cdf(t.tensor(-1.0)),
    "event": lambda t, D: D.Dirichlet(t.ones(3)).log_prob(t.ones(2) / 2),
    "broadcast": lambda t, D: D.Normal(t.zeros(3), 1.0).log_prob(t.zeros(2)),
    "class": lambda t, D: D.Categorical(t.ones(3)).log_prob(t.tensor(3)),
    "entropy": lambda t, D: D.Binomial(t.tensor([1.0, 2.0]), t.tensor(0.5)).entropy(),
    "support": lambda t, D: D.Binomial(t.tensor([1.0, 2.0]), t.tensor(0.5)).enumerate_support(),
    "cartesian": lambda t, D: D.Independent(D.Bernoulli(t.ones(2)), 1).enumerate_support(),
    "default": lambda t, D: D.Distribution.set_default_validate_args(3),
    "no rsample": lambda t, D: D.Categorical(t.ones(2)).rsample(),
    "no mode": lambda t, D: D.LogisticNormal(t.zeros(2), 1.0).mode,
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    ours, theirs = both(REFUSED[name])
    assert ours == theirs.replace("<class 'torch.", "<class 'kuai.")


def test_without_validation():
    D.Normal(0.0, -1.0, validate_args=False)
    value = D.Bernoulli(kuai.tensor(0.5), validate_args=False).log_prob(kuai.tensor(0.5))
    assert bool(kuai.isfinite(value))
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_compiled_functions_are_not_cut_by_checks():
    @kuai.compile(fullgraph=True)
    def score(loc, scale, value):
        return D.Normal(loc, scale).log_prob(value)

    arguments = kuai.zeros(3), kuai.ones(3), kuai.ones(3)
    expected = D.Normal(*arguments[:2]).log_prob(arguments[2])
    assert kuai.allclose(score(*arguments), expected)
    assert kuai.allclose(score(*arguments), expected)


def refused(make):
    with pytest.raises(ValueError, match="found invalid values:\n.*") as caught:
        make()
    return str(caught.value)


IN_FUSED = {
    "number": lambda: D.Normal(0.0, -1.0),
    "scalar": lambda: D.Bernoulli(kuai.tensor(1.5)),
    "tensor": lambda: D.Categorical(kuai.tensor([0.5, -0.5])),
    "normalized": lambda: D.Beta(kuai.tensor(-1.0), kuai.tensor(1.0)),
    "matrix": lambda: D.MultivariateNormal(kuai.zeros(2), kuai.tensor([[1.0, 2.0], [2.0, 1.0]])),
    "value": lambda: D.Uniform(0.0, 1.0).log_prob(kuai.tensor(2.0)),
    "class": lambda: D.Categorical(kuai.ones(2)).log_prob(kuai.tensor(5)),
}


@pytest.mark.parametrize("name", IN_FUSED)
def test_fused_code_refuses_at_once_what_it_is_given(name):
    eagerly = refused(IN_FUSED[name])
    with kuai.fused():
        assert refused(IN_FUSED[name]) == eagerly


def test_fused_code_refuses_what_is_computed_when_a_value_is_asked_for():
    net = kuai.nn.Linear(3, 2)

    def policy(x):
        return D.Categorical((net(x) * x.sum()).exp())

    bad = kuai.full((4, 3), float("nan"))
    eagerly = refused(lambda: policy(bad))
    with kuai.fused():
        for _ in range(3):
            assert policy(kuai.zeros(4, 3)).sample().shape == (4,)
            assert refused(lambda: policy(bad).sample().tolist()) == eagerly
            assert len(policy(kuai.zeros(4, 3)).sample().tolist()) == 4


def test_fused_code_refuses_once_what_a_caught_error_was_about():
    with kuai.fused():
        rate = kuai.full((3,), 2.0).exp()
        with pytest.raises(ValueError, match="within the support"):
            print(D.Gumbel(rate, rate / 50).cdf(rate * 0))  # two looks are taken at one fault
        assert D.Normal(rate, 1.0).cdf(rate).tolist() == [0.5] * 3


def test_fused_code_refuses_what_is_computed_when_the_step_ends():
    rate = kuai.nn.Parameter(kuai.ones(3))
    optimizer = kuai.optim.SGD([rate], lr=0.001)

    def step(shift):
        optimizer.zero_grad()
        D.Exponential(rate.exp() - shift).log_prob(kuai.ones(3)).sum().backward()
        optimizer.step()

    with kuai.fused():
        for _ in range(3):
            step(0.0)
        refused(lambda: step(1000.0))
    with pytest.raises(ValueError, match="Exponential"), kuai.fused():
        D.Exponential(rate.exp() - 1000.0)


def test_inside_vmap_and_grad():
    def score(loc):
        return D.Normal(loc, 1.0).log_prob(kuai.ones_like(loc)).sum()

    loc = kuai.tensor([0.0, 2.0])
    assert kuai.vmap(kuai.func.grad(score))(loc).tolist() == [1.0, -1.0]


def test_sample_n_warns():
    with pytest.warns(FutureWarning, match="`sample_n"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)


class Shifted(D.Normal):
    """A subclass as users write them: a constructor and an `expand` of its own."""

    def __init__(self, loc, shift, validate_args=None):
        self.shift = shift
        super().__init__(loc, kuai.ones_like(loc), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Shifted, _instance)
        new.shift = self.shift
        return super().expand(batch_shape, _instance=new)


class Forgetful(D.Normal):
    def __init__(self, loc):
        super().__init__(loc, 1.0)


class Die(D.Distribution):
    """A distribution of a user's own, with PyTorch's protocol."""

    arg_constraints = {}
    support = D.constraints.integer_interval(1, 6)

    def __init__(self, batch_shape=kuai.Size(), validate_args=None):  # noqa: B008
        super().__init__(batch_shape, validate_args=validate_args)

    def sample(self, sample_shape=kuai.Size()):  # noqa: B008
        return kuai.randint(1, 7, self._extended_shape(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return kuai.full(value.shape, 1 / 6).log()

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Die, _instance)
        super(Die, new).__init__(kuai.Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new


def test_subclasses():
    bigger = Shifted(kuai.zeros(1), 3).expand((2, 1))
    assert isinstance(bigger, Shifted) and bigger.shift == 3 and bigger.loc.shape == (2, 1)
    with pytest.raises(NotImplementedError, match=r"must also define a custom \.expand"):
        Forgetful(kuai.zeros(1)).expand((2,))
    die = Die().expand((2,))
    assert die.sample((3,)).shape == (3, 2)
    assert die.log_prob(kuai.tensor([1, 6])).shape == (2,)
    with pytest.raises(ValueError, match="to be within the support"):
        die.log_prob(kuai.tensor([0, 6]))
    assert repr(die) == "Die()"


class Bare(D.Distribution):
    def __init__(self):
        super().__init__()


def test_what_a_subclass_does_not_say_is_warned_about():
    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        bare = Bare()
    with pytest.warns(UserWarning, match="does not define `support`"):
        bare._validate_sample(kuai.tensor(0.0))
    for name in ("mean", "mode", "variance", "stddev"):
        with pytest.raises(NotImplementedError):
            getattr(bare, name)
    for name in ("rsample", "sample", "entropy", "perplexity", "enumerate_support"):
        with pytest.raises(NotImplementedError):
            getattr(bare, name)()
    for name in ("log_prob", "cdf", "icdf", "expand"):
        with pytest.raises(NotImplementedError):
            getattr(bare, name)(kuai.ones(1))


def test_copies_and_pickles():
    normal = D.Normal(kuai.zeros(2), 1.0)
    for other in (copy.deepcopy(normal), pickle.loads(pickle.dumps(normal))):
        assert repr(other) == repr(normal)
        assert other.log_prob(kuai.zeros(2)).shape == (2,)


@pytest.mark.parametrize("dtype", [kuai.float16, kuai.bfloat16])
def test_dtypes(dtype):
    one = kuai.ones(3, dtype=dtype)
    made = [
        D.Normal(one, one),
        D.Gamma(one, one),
        D.Gumbel(one, one),
        D.Laplace(one, one),
        D.Bernoulli(one / 2),
        D.Poisson(one),
        D.Cauchy(one, one),
        D.VonMises(one, one),
    ]
    for each in made:
        sample = each.sample((5,))
        assert sample.dtype is dtype and bool(kuai.isfinite(sample).all()), each
        assert each.log_prob(sample).dtype is dtype, each


@pytest.mark.parametrize("shape", [(0,), ()])
def test_empty_and_single(shape):
    parameter = kuai.ones(shape)
    for each in (D.Normal(parameter, 1.0), D.Bernoulli(parameter / 2)):
        sample = each.sample((2,))
        assert sample.shape == (2, *shape) and each.log_prob(sample).shape == (2, *shape)
        assert each.sample((0,)).shape == (0, *shape)


def test_it_is_loaded_when_it_is_asked_for():
    code = (
        "import sys, kuai; assert 'kuai.distributions' not in sys.modules; "
        "assert kuai.distributions.Normal(0.0, 1.0).mean == 0"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
