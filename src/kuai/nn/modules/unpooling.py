"""MaxUnpool and FractionalMaxPool: what is not a plain moving window."""

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.ops.dimensions import each

__all__ = [
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxUnpoolNd(Module):
    _shown = "kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
    dims: int
    operation: Any

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = each(kernel_size, self.dims)
        self.stride = each(kernel_size if stride is None else stride, self.dims)
        self.padding = each(padding, self.dims)

    def forward(self, input: Tensor, indices: Tensor, output_size=None) -> Tensor:
        """The maxima at their places, zeros elsewhere."""
        numbers = self.kernel_size, self.stride, self.padding
        return self.operation(input, indices, *numbers, output_size)


class MaxUnpool1d(_MaxUnpoolNd):
    """The partial inverse of `MaxPool1d`: zeros but for the maxima; see `MaxUnpool2d`.

    Shape: input and indices (N, C, L) or (C, L).

    Example:
        >>> pool, unpool = kuai.nn.MaxPool1d(2, return_indices=True), kuai.nn.MaxUnpool1d(2)
        >>> unpool(*pool(kuai.tensor([[1.0, 3.0, 2.0, 0.0]])))
        tensor([[0., 3., 2., 0.]])
    """

    dims = 1
    operation = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """The partial inverse of `MaxPool2d`: zeros but for the maxima.

    Args:
        kernel_size, stride, padding: those of the pooling.

    Shape:
        input and indices `(N, C, H, W)` or `(C, H, W)`, indices from a pooling with
        `return_indices=True`; `output_size` chooses among sizes with the same pooled size.

    Example:
        >>> pool, unpool = kuai.nn.MaxPool2d(2, return_indices=True), kuai.nn.MaxUnpool2d(2)
        >>> unpool(*pool(kuai.tensor([[[1.0, 2.0], [4.0, 3.0]]])))
        tensor([[[0., 0.],
                 [4., 0.]]])
    """

    dims = 2
    operation = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """The partial inverse of `MaxPool3d`: zeros but for the maxima; see `MaxUnpool2d`.

    Shape: input and indices (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> pool, unpool = kuai.nn.MaxPool3d(2, return_indices=True), kuai.nn.MaxUnpool3d(2)
        >>> unpool(*pool(kuai.ones(1, 4, 4, 4))).sum()
        tensor(8.)
    """

    dims = 3
    operation = staticmethod(F.max_unpool3d)


class _FractionalMaxPool(Module):
    dims: int
    operation: Any

    def __init__(
        self,
        kernel_size,
        output_size=None,
        output_ratio=None,
        return_indices=False,
        _random_samples=None,
    ):
        super().__init__()
        self.kernel_size = each(kernel_size, self.dims)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size, self.dims)
        self.output_ratio = None if output_ratio is None else each(output_ratio, self.dims)
        self._check(output_ratio)

    def _check(self, given):
        if self.output_size is None and self.output_ratio is None:
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling "
                "ratio"
            )
        if self.output_size is not None and self.output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {given})")

    def forward(self, input: Tensor):
        """The maxima, and with `return_indices` their places."""
        return self.operation(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest element of each of `output_size` windows at random distances.

    Args:
        kernel_size: a number or one for height and one for width.
        output_size: how many windows; or `output_ratio` of the input's size.
        return_indices: also return where in the plane each maximum lies.

    Shape: (N, C, H, W) or (C, H, W).

    Example:
        >>> kuai.nn.FractionalMaxPool2d(3, output_ratio=0.5)(kuai.ones(1, 2, 8, 8)).shape
        torch.Size([1, 2, 4, 4])

    Reference: Graham, Fractional max-pooling, 2014.
    """

    dims = 2
    operation = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """As `FractionalMaxPool2d`, for volumes.

    Shape: (N, C, T, H, W) or (C, T, H, W).

    Example:
        >>> kuai.nn.FractionalMaxPool3d(2, output_size=(1, 2, 3))(kuai.ones(1, 4, 4, 4)).shape
        torch.Size([1, 1, 2, 3])
    """

    dims = 3
    operation = staticmethod(F.fractional_max_pool3d)
