"""`kuai.distributions`: probability distributions, as in `torch.distributions`.

Each distribution is one file, named as PyTorch's. `sample` draws, `rsample` draws so that gradients
flow back to the parameters, `log_prob` scores:

    >>> import kuai
    >>> from kuai.distributions import Categorical
    >>> probs = kuai.tensor([0.2, 0.8], requires_grad=True)   # what a policy network gives
    >>> policy = Categorical(probs)
    >>> action, reward = policy.sample(), 1.0                 # what an environment gives
    >>> loss = -policy.log_prob(action) * reward
    >>> loss.backward()

They are made of Kuai's tensors and operations, so autograd, `kuai.compile` and every device work;
a compiled function draws new numbers at each call.
"""

from kuai.distributions import (
    constraints as constraints,
    kl_cross as kl_cross,
    kl_same as kl_same,
    transforms as transforms,
)
from kuai.distributions.bernoulli import Bernoulli
from kuai.distributions.beta import Beta
from kuai.distributions.binomial import Binomial
from kuai.distributions.categorical import Categorical
from kuai.distributions.cauchy import Cauchy
from kuai.distributions.chi2 import Chi2
from kuai.distributions.constraint_registry import biject_to, transform_to
from kuai.distributions.continuous_bernoulli import ContinuousBernoulli
from kuai.distributions.dirichlet import Dirichlet
from kuai.distributions.distribution import Distribution
from kuai.distributions.exp_family import ExponentialFamily
from kuai.distributions.exponential import Exponential
from kuai.distributions.fishersnedecor import FisherSnedecor
from kuai.distributions.gamma import Gamma
from kuai.distributions.generalized_pareto import GeneralizedPareto
from kuai.distributions.geometric import Geometric
from kuai.distributions.gumbel import Gumbel
from kuai.distributions.half_cauchy import HalfCauchy
from kuai.distributions.half_normal import HalfNormal
from kuai.distributions.independent import Independent
from kuai.distributions.inverse_gamma import InverseGamma
from kuai.distributions.kl import kl_divergence, register_kl
from kuai.distributions.kumaraswamy import Kumaraswamy
from kuai.distributions.laplace import Laplace
from kuai.distributions.lkj_cholesky import LKJCholesky
from kuai.distributions.log_normal import LogNormal
from kuai.distributions.logistic_normal import LogisticNormal
from kuai.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from kuai.distributions.mixture_same_family import MixtureSameFamily
from kuai.distributions.multinomial import Multinomial
from kuai.distributions.multivariate_normal import MultivariateNormal
from kuai.distributions.negative_binomial import NegativeBinomial
from kuai.distributions.normal import Normal
from kuai.distributions.one_hot_categorical import (
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from kuai.distributions.pareto import Pareto
from kuai.distributions.poisson import Poisson
from kuai.distributions.relaxed_bernoulli import RelaxedBernoulli
from kuai.distributions.relaxed_categorical import RelaxedOneHotCategorical
from kuai.distributions.studentT import StudentT
from kuai.distributions.transformed_distribution import TransformedDistribution
from kuai.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from kuai.distributions.uniform import Uniform
from kuai.distributions.von_mises import VonMises
from kuai.distributions.weibull import Weibull
from kuai.distributions.wishart import Wishart

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
]
