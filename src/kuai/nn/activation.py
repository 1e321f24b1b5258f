"""Activation layers: the functions of `nn.functional` as blocks."""

import warnings

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F, init
from kuai.nn.factory import parameter
from kuai.nn.module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "Threshold",
]


class _Inplace(Module):
    """An activation whose only argument is `inplace`."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self):
        """What is printed between the parentheses."""
        return "inplace=True" if self.inplace else ""


class _OneNumber(Module):
    """An activation with one number (`_number` is its name) and `inplace`."""

    _number = ""

    def _remember(self, number, inplace):
        setattr(self, self._number, number)
        self.inplace = inplace

    def extra_repr(self):
        """What is printed between the parentheses."""
        inplace = ", inplace=True" if self.inplace else ""
        return f"{self._number}={getattr(self, self._number)}{inplace}"


class ReLU(_Inplace):
    """max(0, x).

    Example:
        >>> kuai.nn.ReLU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.relu(input, inplace=self.inplace)


class SiLU(_Inplace):
    """x·σ(x).

    Example:
        >>> kuai.nn.SiLU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.silu(input, inplace=self.inplace)


class Mish(_Inplace):
    """x·tanh(softplus(x)).

    Example:
        >>> kuai.nn.Mish()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.mish(input, inplace=self.inplace)


class SELU(_Inplace):
    """The self-normalizing unit.

    Example:
        >>> kuai.nn.SELU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.selu(input, inplace=self.inplace)


class Hardswish(_Inplace):
    """x·min(max(0, x + 3), 6) / 6.

    Example:
        >>> kuai.nn.Hardswish()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(Module):
    """min(max(0, x + 3), 6) / 6.

    Example:
        >>> kuai.nn.Hardsigmoid()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.hardsigmoid(input, self.inplace)


class LeakyReLU(_OneNumber):
    """x where x > 0, negative_slope·x elsewhere.

    Example:
        >>> kuai.nn.LeakyReLU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    _number = "negative_slope"

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self._remember(negative_slope, inplace)

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class ELU(_OneNumber):
    """x where x > 0, alpha·(eˣ - 1) elsewhere.

    Example:
        >>> kuai.nn.ELU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    _number = "alpha"

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self._remember(alpha, inplace)

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(_OneNumber):
    """max(0, x) + min(0, alpha·(e^(x/alpha) - 1)).

    Example:
        >>> kuai.nn.CELU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    _number = "alpha"

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self._remember(alpha, inplace)

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.celu(input, self.alpha, self.inplace)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ).

    Example:
        >>> kuai.nn.Sigmoid()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Example:
        >>> kuai.nn.Tanh()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.tanh(input)


class LogSigmoid(Module):
    """log(1 / (1 + e⁻ˣ)).

    Example:
        >>> kuai.nn.LogSigmoid()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|).

    Example:
        >>> kuai.nn.Softsign()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.softsign(input)


class GELU(Module):
    """x·Φ(x).

    Example:
        >>> kuai.nn.GELU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """a·σ(b) for the halves a and b of the input.

    Example:
        >>> kuai.nn.GLU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 2])
    """

    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.glu(input, self.dim)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"dim={self.dim}"


class Softplus(Module):
    """log(1 + e^(beta·x)) / beta.

    Example:
        >>> kuai.nn.Softplus()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Threshold(Module):
    """x where x > threshold, value elsewhere.

    Example:
        >>> kuai.nn.Threshold(0.1, 20)(kuai.zeros(1))
        tensor([20.])
    """

    def __init__(self, threshold, value, inplace=False):
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"threshold={self.threshold}, value={self.value}" + (
            ", inplace=True" if self.inplace else ""
        )


class RReLU(Module):
    """The rectifier with random negative slopes while training.

    Example:
        >>> kuai.nn.RReLU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"lower={self.lower}, upper={self.upper}" + (
            ", inplace=True" if self.inplace else ""
        )


def _renamed(which, value, old):
    if old is None:
        return value
    warnings.warn(
        f"keyword argument `{which}_value` is deprecated and renamed to `{which}_val`",
        FutureWarning,
        stacklevel=3,
    )
    return old


class Hardtanh(Module):
    """x clamped to [min_val, max_val].

    Example:
        >>> kuai.nn.Hardtanh()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        super().__init__()
        self.min_val = _renamed("min", min_val, min_value)
        self.max_val = _renamed("max", max_val, max_value)
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + (
            ", inplace=True" if self.inplace else ""
        )


class ReLU6(Hardtanh):
    """min(max(0, x), 6).

    Example:
        >>> kuai.nn.ReLU6()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.hardtanh(input, 0.0, 6.0, self.inplace)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return "inplace=True" if self.inplace else ""


class PReLU(Module):
    """x where x > 0, a·x elsewhere, with learned slopes a.

    Example:
        >>> kuai.nn.PReLU()(kuai.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = parameter(num_parameters, device, dtype)
        self.reset_parameters()

    def reset_parameters(self):
        """Set every slope to its first value."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element, or along the dimension."""
        return F.prelu(input, self.weight)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return f"num_parameters={self.num_parameters}"
