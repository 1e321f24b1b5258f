"""Softmax layers: activations along one dimension."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _OverDim(Module):
    """An activation along one dimension."""

    _shown = "dim={self.dim}"

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)


class Softmax(_OverDim):
    """Scores become probabilities: positive numbers that sum to one along `dim`.

        softmax(x)ᵢ = e^xᵢ / Σⱼ e^xⱼ

    Args:
        dim: the dimension along which the numbers belong together.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Softmax(dim=1)(kuai.tensor([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]]))
        tensor([[0.0900, 0.2447, 0.6652],
                [0.3333, 0.3333, 0.3333]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_OverDim):
    """The logarithms of the probabilities, without overflow.

        log softmax(x)ᵢ = xᵢ − log Σⱼ e^xⱼ

    Args:
        dim: the dimension along which the numbers belong together.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.LogSoftmax(dim=0)(kuai.tensor([0.0, 1.0, 200.0]))
        tensor([-200., -199.,    0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(_OverDim):
    """Softmax of the negated scores: the smallest gets the largest probability.

        softmin(x)ᵢ = e^−xᵢ / Σⱼ e^−xⱼ

    Args:
        dim: the dimension along which the numbers belong together.

    Shape:
        any; the output has the input's.

    Example:
        >>> kuai.nn.Softmin(dim=0)(kuai.tensor([0.0, 1.0, 2.0]))
        tensor([0.6652, 0.2447, 0.0900])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of each place of an image.

        softmax(x)_c = e^x_c / Σₖ e^xₖ        at each place

    Shape:
        `(N, C, H, W)` or `(C, H, W)`; the output has the input's.

    Example:
        >>> kuai.nn.Softmax2d()(kuai.tensor([[[0.0, 1.0]], [[0.0, 3.0]]]))
        tensor([[[0.5000, 0.1192]],
        <BLANKLINE>
                [[0.5000, 0.8808]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3, _stacklevel=5)
