"""Layers that PyTorch keeps for old code."""

import warnings

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module
from kuai.nn.modules.classification_loss import NLLLoss
from kuai.ops.array.joining import cat, stack

__all__ = ["Container", "CrossMapLRN2d", "NLLLoss2d"]


class Container(Module):
    """A module with the children it is given by name; `Module` does the same.

    Example:
        >>> with warnings.catch_warnings(action="ignore"):
        ...     list(kuai.nn.Container(act=kuai.nn.ReLU()).children())
        [ReLU()]
    """

    def __init__(self, **kwargs):
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss` for pictures.

        −w_y·x_y,   x the logarithms of the probabilities

    Shape:
        input `(N, C, H, W)`, target `(N, H, W)`.

    Example:
        >>> with warnings.catch_warnings(action="ignore"):
        ...     loss = kuai.nn.NLLLoss2d()
        >>> loss(kuai.full((1, 2, 1, 1), -1.0), kuai.zeros(1, 1, 1, dtype=kuai.long))
        tensor(1.)
    """

    def __init__(
        self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
    ):
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in "
            "replacement and see https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more "
            "details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossMapLRN2d(Module):
    """Local response normalization of `(N, C, H, W)` inputs; `LocalResponseNorm` is the new one.

        y_c = x_c (k + alpha / size Σ x²)^(-beta) over the channels around c

    The window reaches (size - 1) / 2 channels to both sides; as in PyTorch, the first channel stays
    in the sum of all later ones.

    Example:
        >>> kuai.nn.CrossMapLRN2d(3, alpha=3.0, beta=1.0, k=0)(kuai.ones(1, 3, 1, 1)).flatten()
        tensor([0.5000, 0.3333, 0.3333])

    Reference: Krizhevsky et al., ImageNet classification with deep convolutional networks, 2012.
    """

    _shown = "{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """The normalized input."""
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        reach = int((self.size - 1) / 2 + 1)
        squares = input * input
        sums = [self._around(squares, c, reach) for c in range(input.shape[1])]
        scale = stack(sums, 1) * (self.alpha / self.size) + self.k
        return scale ** (-self.beta) * input

    def _around(self, squares, channel, reach):
        first = max(channel - reach + 1, 0)
        window = squares[:, first : channel + reach]
        if first > 0:
            window = cat([squares[:, :1], window], 1)
        return window.sum(1)
