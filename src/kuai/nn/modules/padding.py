"""Padding layers: the modes of `nn.functional.pad` as blocks."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.ops.dimensions import each

_KINDS = ("Circular", "Constant", "Reflection", "Replication", "Zero")

__all__ = [f"{kind}Pad{dims}d" for kind in _KINDS for dims in (1, 2, 3)]


class _Pad(Module):
    """Pads the last `_dims` dimensions."""

    _shown = "{self.padding}"
    _dims = 1
    _mode = "constant"
    _checks_rank = False

    def __init__(self, padding):
        super().__init__()
        self.padding = each(padding, 2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        ranks = (self._dims + 1, self._dims + 2)
        if self._checks_rank and input.ndim not in ranks:
            raise ValueError(f"expected {ranks[0]}D or {ranks[1]}D input (got {input.ndim}D input)")
        return F.pad(input, self.padding, self._mode)


class _ConstantPadNd(_Pad):
    _shown = "padding={self.padding}, value={self.value}"

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        return F.pad(input, self.padding, "constant", self.value)


class ConstantPad1d(_ConstantPadNd):
    """Pads the last dimension with a constant.

    Example:
        >>> kuai.nn.ConstantPad1d(1, 0.5)(kuai.ones(2, 3)).shape
        torch.Size([2, 5])
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads the last 2 dimensions with a constant.

    Example:
        >>> kuai.nn.ConstantPad2d(1, 0.5)(kuai.ones(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads the last 3 dimensions with a constant.

    Example:
        >>> kuai.nn.ConstantPad3d(1, 0.5)(kuai.ones(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    _dims = 3


class _Zeros:
    """Makes the constant 0."""

    _shown = "{self.padding}"

    def __init__(self, padding):
        super().__init__(padding, 0.0)  # pyright: ignore[reportCallIssue]  (of the other base)


class ZeroPad1d(_Zeros, ConstantPad1d):
    """Pads the last dimension with zeros.

    Example:
        >>> kuai.nn.ZeroPad1d(1)(kuai.ones(2, 3)).shape
        torch.Size([2, 5])
    """


class ZeroPad2d(_Zeros, ConstantPad2d):
    """Pads the last 2 dimensions with zeros.

    Example:
        >>> kuai.nn.ZeroPad2d(1)(kuai.ones(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """


class ZeroPad3d(_Zeros, ConstantPad3d):
    """Pads the last 3 dimensions with zeros.

    Example:
        >>> kuai.nn.ZeroPad3d(1)(kuai.ones(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """


class _ReflectionPadNd(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Pads the last dimension by reflection.

    Example:
        >>> kuai.nn.ReflectionPad1d(1)(kuai.ones(2, 3)).shape
        torch.Size([2, 5])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Pads the last 2 dimensions by reflection.

    Example:
        >>> kuai.nn.ReflectionPad2d(1)(kuai.ones(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pads the last 3 dimensions by reflection.

    Example:
        >>> kuai.nn.ReflectionPad3d(1)(kuai.ones(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    _dims = 3


class _ReplicationPadNd(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Pads the last dimension with copies of the border.

    Example:
        >>> kuai.nn.ReplicationPad1d(1)(kuai.ones(2, 3)).shape
        torch.Size([2, 5])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Pads the last 2 dimensions with copies of the border.

    Example:
        >>> kuai.nn.ReplicationPad2d(1)(kuai.ones(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pads the last 3 dimensions with copies of the border.

    Example:
        >>> kuai.nn.ReplicationPad3d(1)(kuai.ones(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    _dims = 3


class _CircularPadNd(_Pad):
    _mode = "circular"
    _checks_rank = True


class CircularPad1d(_CircularPadNd):
    """Pads the last dimension from the other end.

    Example:
        >>> kuai.nn.CircularPad1d(1)(kuai.ones(2, 3)).shape
        torch.Size([2, 5])
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Pads the last 2 dimensions from the other end.

    Example:
        >>> kuai.nn.CircularPad2d(1)(kuai.ones(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Pads the last 3 dimensions from the other end.

    Example:
        >>> kuai.nn.CircularPad3d(1)(kuai.ones(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    _dims = 3
