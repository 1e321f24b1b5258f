"""Normalization layers without running statistics: layer, group, RMS, local response."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F, init
from kuai.nn.base.module import Module
from kuai.nn.modules.deprecated import CrossMapLRN2d
from kuai.nn.modules.factory import parameter
from kuai.ops.known_values import INTEGERS

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def _as_shape(normalized_shape):
    if isinstance(normalized_shape, INTEGERS):
        return (normalized_shape,)
    return tuple(normalized_shape)


class LayerNorm(Module):
    """Layer normalization over the last dimensions, those of `normalized_shape`.

    Example:
        >>> kuai.nn.LayerNorm(10)(kuai.ones(20, 10)).shape
        torch.Size([20, 10])

    Reference: Ba et al., Layer normalization, 2016.
    """

    def __init__(
        self,
        normalized_shape,
        eps=1e-5,
        elementwise_affine=True,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.normalized_shape = shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = parameter(shape, device, dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        has_bias = elementwise_affine and bias
        self.register_parameter("bias", parameter(shape, device, dtype) if has_bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Start anew: weight 1, bias 0."""
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The normalized input."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Group normalization of each example over each group of channels.

    Example:
        >>> kuai.nn.GroupNorm(3, 6)(kuai.ones(20, 6, 10)).shape
        torch.Size([20, 6, 10])

    Reference: Wu, He, Group normalization, 2018.
    """

    def __init__(
        self,
        num_groups,
        num_channels,
        eps=1e-5,
        affine=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, parameter(num_channels, device, dtype) if there else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Start anew: weight 1, bias 0."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The normalized input."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        """What is printed between the parentheses."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Root mean square normalization over the last dimensions.

    Example:
        >>> kuai.nn.RMSNorm(10)(kuai.ones(20, 10)).shape
        torch.Size([20, 10])

    Reference: Zhang, Sennrich, Root mean square layer normalization, 2019.
    """

    _shown = "{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"

    def __init__(
        self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None
    ):
        super().__init__()
        self.normalized_shape = shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = parameter(shape, device, dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self):
        """Start anew: weight 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The normalized x."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)


class LocalResponseNorm(Module):
    """Divides by a mean of squares over `size` neighbouring channels.

    Example:
        >>> kuai.nn.LocalResponseNorm(2)(kuai.ones(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Reference: Krizhevsky et al., ImageNet classification with deep CNNs, 2012.
    """

    _shown = "{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """The normalized input."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
