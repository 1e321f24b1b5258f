"""Smooth activations, element by element, and the gated unit; `rectifiers` has the others."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.nn.modules.attention import MultiheadAttention
from kuai.nn.modules.rectifiers import (
    CELU,
    ELU,
    SELU,
    Hardtanh,
    InplaceActivation,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    Threshold,
)
from kuai.nn.modules.shrinkage import Hardshrink, Softshrink, Tanhshrink
from kuai.nn.modules.softmax import LogSoftmax, Softmax, Softmax2d, Softmin

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "MultiheadAttention",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class Sigmoid(Module):
    """The logistic function: any number becomes one between 0 and 1.

        σ(x) = 1 / (1 + e⁻ˣ)

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Sigmoid()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([0.1192, 0.3775, 0.5000, 0.7311])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """The logarithm of the sigmoid, without overflow.

        log σ(x) = −log(1 + e⁻ˣ)

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.LogSigmoid()(kuai.tensor([-200.0, -0.5, 0.0, 1.0]))
        tensor([-200.0000,   -0.9741,   -0.6931,   -0.3133])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Hardsigmoid(Module):
    """The sigmoid made of straight lines.

        min(max(0, x + 3), 6) / 6

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Hardsigmoid()(kuai.tensor([-4.0, -1.5, 0.0, 4.0]))
        tensor([0.0000, 0.2500, 0.5000, 1.0000])

    Reference: Howard et al., "Searching for MobileNetV3", ICCV 2019.
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)


class Tanh(Module):
    """The hyperbolic tangent: any number becomes one between −1 and 1.

        (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Tanh()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.9640, -0.4621,  0.0000,  0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softsign(Module):
    """Like tanh, but it comes near ±1 more slowly.

        x / (1 + |x|)

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Softsign()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.6667, -0.3333,  0.0000,  0.5000])

    Reference: Bergstra et al., "Quadratic polynomials learn better image features", 2009.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Softplus(Module):
    """A smooth rectifier, always positive.

        log(1 + e^(beta·x)) / beta,   and x itself where beta·x > threshold

    Args:
        beta: the larger, the nearer to ReLU.
        threshold: from where on the function is the identity.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Softplus()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([0.1269, 0.4741, 0.6931, 1.3133])

    Reference: Dugas et al., "Incorporating second-order functional knowledge for better option
    pricing", NeurIPS 2000.
    """

    _shown = "beta={self.beta}, threshold={self.threshold}"

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


class SiLU(InplaceActivation):
    """The sigmoid linear unit, also called swish: each number is gated by its own sigmoid.

        x·σ(x),   σ(x) = 1 / (1 + e⁻ˣ)

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.SiLU()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.2384, -0.1888,  0.0000,  0.7311])

    Reference: Hendrycks & Gimpel, "Gaussian error linear units", 2016; Ramachandran et al.,
    "Searching for activation functions", 2017.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, inplace=self.inplace)


class Hardswish(InplaceActivation):
    """Swish made of straight lines and a parabola, cheap on phones.

        x·min(max(0, x + 3), 6) / 6

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Hardswish()(kuai.tensor([-4.0, -1.0, 1.0, 4.0]))
        tensor([-0.0000, -0.3333,  0.6667,  4.0000])

    Reference: Howard et al., "Searching for MobileNetV3", ICCV 2019.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)

    def extra_repr(self):
        """Nothing: PyTorch does not show its `inplace`."""
        return ""


class Mish(InplaceActivation):
    """A smooth unit that lets a little of negative numbers through.

        x·tanh(log(1 + eˣ))

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Mish()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.2525, -0.2207,  0.0000,  0.8651])

    Reference: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, inplace=self.inplace)


class GELU(Module):
    """The Gaussian error linear unit: each number times the probability of a smaller one.

        x·Φ(x) = x·(1 + erf(x/√2)) / 2

    Args:
        approximate: `'none'`, or `'tanh'` for x·(1 + tanh(√(2/π)(x + 0.044715·x³))) / 2.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.GELU()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.0455, -0.1543,  0.0000,  0.8413])
        >>> kuai.nn.GELU("tanh")(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.0454, -0.1543,  0.0000,  0.8412])

    Reference: Hendrycks & Gimpel, "Gaussian error linear units", 2016.
    """

    _shown = "approximate={self.approximate!r}"

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)


class GLU(Module):
    """The gated linear unit: one half of the input decides how much of the other passes.

        a·σ(b),   a and b the halves of the input along `dim`

    Args:
        dim: the dimension to halve.

    Shape:
        `(*, 2n, *)` to `(*, n, *)`.

    Example:
        >>> kuai.nn.GLU()(kuai.tensor([1.0, 2.0, 0.0, -1.0]))
        tensor([0.5000, 0.5379])

    Reference: Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.
    """

    _shown = "dim={self.dim}"

    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)
