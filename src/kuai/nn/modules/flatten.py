"""Layers that change the shape only."""

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Joins the dimensions from `start_dim` to `end_dim` into one.

    Example:
        >>> kuai.nn.Flatten()(kuai.ones(32, 1, 5, 5)).shape
        torch.Size([32, 25])
    """

    _shown = "start_dim={self.start_dim}, end_dim={self.end_dim}"

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """The input in its new shape."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(Module):
    """Splits one dimension into several.

    Example:
        >>> kuai.nn.Unflatten(1, (2, 5))(kuai.ones(3, 10)).shape
        torch.Size([3, 2, 5])
    """

    _shown = "dim={self.dim}, unflattened_size={self.unflattened_size}"

    def __init__(self, dim, unflattened_size):
        super().__init__()
        self._require_tuple_of_ints(unflattened_size)
        self.dim = dim
        self.unflattened_size = unflattened_size

    def _require_tuple_of_ints(self, sizes):
        if not isinstance(sizes, (tuple, list)):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(sizes).__name__}"
            )
        for position, size in enumerate(sizes):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, "
                    f"but found element of type {type(size).__name__} at pos {position}"
                )

    def forward(self, input: Tensor) -> Tensor:
        """The input in its new shape."""
        return input.unflatten(self.dim, self.unflattened_size)
