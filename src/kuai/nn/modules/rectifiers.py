"""Rectifiers: piecewise linear units, and those that bend below zero."""

import warnings

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F, init
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter

__all__ = [
    "CELU",
    "ELU",
    "Hardtanh",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "Threshold",
]


class InplaceActivation(Module):
    """An activation that may write its result into its input."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self):
        """The layer's own numbers, and `inplace` where it is true."""
        parts = (super().extra_repr(), "inplace=True" if self.inplace else "")
        return ", ".join(filter(None, parts))


class ReLU(InplaceActivation):
    """The rectified linear unit: negative numbers become zero.

        max(0, x)        (its derivative at 0 is 0)

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.ReLU()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([0., 0., 0., 1.])

    Reference: Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML
    2010.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)


class LeakyReLU(InplaceActivation):
    """The rectifier with a small slope for negative numbers, so that no unit dies.

        x where x > 0, negative_slope·x elsewhere

    Args:
        negative_slope: the slope below zero.
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.LeakyReLU(0.1)(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.2000, -0.0500,  0.0000,  1.0000])

    Reference: Maas et al., "Rectifier nonlinearities improve neural network acoustic models",
    2013.
    """

    _shown = "negative_slope={self.negative_slope}"

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class ELU(InplaceActivation):
    """The exponential linear unit: negative numbers are bent towards −alpha.

        x where x > 0, alpha·(eˣ − 1) elsewhere

    Args:
        alpha: minus the limit for x → −∞.
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.ELU()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.8647, -0.3935,  0.0000,  1.0000])

    Reference: Clevert et al., "Fast and accurate deep network learning by exponential linear
    units", ICLR 2016.
    """

    _shown = "alpha={self.alpha}"

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)


class CELU(InplaceActivation):
    """ELU whose derivative is continuous for every alpha.

        max(0, x) + min(0, alpha·(e^(x/alpha) − 1))

    Args:
        alpha: minus the limit for x → −∞.
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.CELU(alpha=2.0)(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-1.2642, -0.4424,  0.0000,  1.0000])

    Reference: Barron, "Continuously differentiable exponential linear units", 2017.
    """

    _shown = "alpha={self.alpha}"

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)


class SELU(InplaceActivation):
    """The self-normalizing unit: it keeps mean 0 and variance 1 from layer to layer.

        scale·(max(0, x) + min(0, α(eˣ − 1))),   α ≈ 1.6733, scale ≈ 1.0507

    For that the weights have to be drawn with a standard deviation of 1/√fan_in, as
    `kuai.nn.init.kaiming_normal_(weight, nonlinearity="linear")` does.

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.SELU()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-1.5202, -0.6918,  0.0000,  1.0507])

    Reference: Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, inplace=self.inplace)


class Threshold(InplaceActivation):
    """Numbers up to a threshold are replaced.

        x where x > threshold, value elsewhere

    Args:
        threshold: up to where numbers are replaced.
        value: what takes their place.
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Threshold(0.1, 20)(kuai.tensor([-1.0, 0.1, 0.5]))
        tensor([20.0000, 20.0000,  0.5000])
    """

    _shown = "threshold={self.threshold}, value={self.value}"

    def __init__(self, threshold, value, inplace=False):
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class RReLU(InplaceActivation):
    """The rectifier with random slopes below zero while it is trained.

        x where x > 0, a·x elsewhere

    In training each element's a is drawn uniformly from [lower, upper); in evaluation it is
    (lower + upper) / 2.

    Args:
        lower, upper: the range of the slopes.
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> layer = kuai.nn.RReLU(0.25, 0.75).eval()
        >>> layer(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-1.0000, -0.2500,  0.0000,  1.0000])

    Reference: Xu et al., "Empirical evaluation of rectified activations in convolutional network",
    2015.
    """

    _shown = "lower={self.lower}, upper={self.upper}"

    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Module):
    """The rectifier with learned slopes below zero.

        x where x > 0, a·x elsewhere

    Weight decay pulls the slopes to zero; the paper does without it.

    Args:
        num_parameters: 1 slope for all, or one for each channel.
        init: the first value of the slopes.
        device, dtype: of the parameter.

    Shape:
        any, the channels second; the output has the input's. `weight` is `(num_parameters,)`.

    Example:
        >>> kuai.nn.PReLU()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-0.5000, -0.1250,  0.0000,  1.0000], grad_fn=<PreluKernelBackward0>)

    Reference: He et al., "Delving deep into rectifiers", ICCV 2015.
    """

    _shown = "num_parameters={self.num_parameters}"

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
        return F.prelu(input, self.weight)


def _renamed(which, value, old):
    if old is None:
        return value
    warnings.warn(
        f"keyword argument `{which}_value` is deprecated and renamed to `{which}_val`",
        FutureWarning,
        stacklevel=3,
    )
    return old


class Hardtanh(InplaceActivation):
    """Tanh made of straight lines: numbers are clamped to an interval.

        min(max(x, min_val), max_val)

    Args:
        min_val, max_val: the interval.
        inplace: write the result into the input.
        min_value, max_value: their old names, deprecated.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Hardtanh()(kuai.tensor([-2.0, -0.5, 0.0, 1.0]))
        tensor([-1.0000, -0.5000,  0.0000,  1.0000])
    """

    _shown = "min_val={self.min_val}, max_val={self.max_val}"

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        super().__init__(inplace)
        self.min_val = _renamed("min", min_val, min_value)
        self.max_val = _renamed("max", max_val, max_value)
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """The rectifier, at most 6, which keeps few bits precise.

        min(max(0, x), 6)

    Args:
        inplace: write the result into the input.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.ReLU6()(kuai.tensor([-1.0, 3.0, 9.0]))
        tensor([0., 3., 6.])

    Reference: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """

    _shown = ""

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, 0.0, 6.0, self.inplace)
