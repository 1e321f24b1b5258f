"""Dropout layers: they drop while training and do nothing in evaluation."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _DropoutNd(Module):
    _shown = "p={self.p}, inplace={self.inplace}"

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace


class Dropout(_DropoutNd):
    """Drops elements with probability `p` and scales the others by 1 / (1 - p).

    Example:
        >>> kuai.nn.Dropout(0.2)(kuai.ones(2, 3)).shape
        torch.Size([2, 3])

    Reference: Hinton et al., Improving neural networks by preventing co-adaptation, 2012.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of it dropped, while training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Drops whole channels of `(N, C, L)` or `(C, L)` inputs.

    Example:
        >>> kuai.nn.Dropout1d(0.2)(kuai.ones(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Reference: Tompson et al., Efficient object localization, 2014.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of it dropped, while training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Drops whole channels of `(N, C, H, W)` inputs.

    Example:
        >>> kuai.nn.Dropout2d(0.2)(kuai.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])

    Reference: Tompson et al., Efficient object localization, 2014.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of it dropped, while training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Drops whole channels of `(N, C, D, H, W)` inputs.

    Example:
        >>> kuai.nn.Dropout3d(0.2)(kuai.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])

    Reference: Tompson et al., Efficient object localization, 2014.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of it dropped, while training."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Drops elements to selu's limit, keeping mean and variance.

    Example:
        >>> kuai.nn.AlphaDropout(0.2)(kuai.ones(2, 3)).shape
        torch.Size([2, 3])

    Reference: Klambauer et al., Self-normalizing neural networks, 2017.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of it dropped, while training."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """Drops whole channels to selu's limit, keeping mean and variance.

    Example:
        >>> kuai.nn.FeatureAlphaDropout(0.2)(kuai.ones(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Reference: Klambauer et al., Self-normalizing neural networks, 2017.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of it dropped, while training."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
