"""A layer that mixes the channels of groups."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Mixes the channels of groups: as a matrix with a row for each group, read by columns.

    Example:
        >>> kuai.nn.ChannelShuffle(2)(kuai.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])

    Reference: Zhang et al., ShuffleNet, 2018.
    """

    _shown = "groups={self.groups}"

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """The channels in their new order."""
        return F.channel_shuffle(input, self.groups)
