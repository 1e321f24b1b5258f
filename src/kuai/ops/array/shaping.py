"""Shapes: other shapes and orders of the same elements. All functions here give views.

PyTorch's rule decides between view and copy: `view` refuses what strides cannot express, `reshape`
copies then. Here only the layout (see `engine.layouts`) knows about strides.
"""

import math

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import dtypes, views
from kuai.engine.tensor.layouts import layout_of, merged_strides
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.size import Size, whole
from kuai.ops.array import windows
from kuai.ops.dimensions import normalize_dim, normalize_dims
from kuai.ops.known_values import INTEGERS

_INCOMPATIBLE = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans "
    "across two contiguous subspaces). Use .reshape(...) instead."
)


def shape_of(tensor) -> tuple:
    """A tensor's shape as a plain tuple."""
    return views.outline(tensor).shape


def integers(given) -> tuple:
    """Sizes or dimensions given either one by one or as one sequence."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    return tuple(map(whole, given))


def inferred(shape: tuple, wanted: tuple) -> tuple:
    """The wanted shape with its -1 worked out.

    Example:
        >>> inferred((2, 6), (3, -1))
        (3, 4)
    """
    count = math.prod(shape)
    unknown = [position for position, size in enumerate(wanted) if size == -1]
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    for position, size in enumerate(wanted):
        if size < -1:
            raise RuntimeError(
                f"invalid shape dimension {size} at index {position} of shape {list(wanted)}"
            )
    if unknown:
        known = math.prod(size for size in wanted if size != -1)
        if known == 0 and count == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(wanted)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if known and count % known == 0:
            wanted = tuple(count // known if size == -1 else size for size in wanted)
    if math.prod(wanted) != count or -1 in wanted:
        raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {count}")
    return wanted


@composite(function=False)
def view(self, *shape, dtype=None):
    """The same elements in another shape, or with a dtype the same bytes; shares storage.

    Example:
        >>> x = kuai.zeros(2, 3)
        >>> x.view(-1)[0] = 1
        >>> x
        tensor([[1., 0., 0.],
                [0., 0., 0.]])
    """
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        dtype = shape[0]
    if dtype is not None:
        return _view_dtype(self, dtype)
    if not shape:
        raise TypeError(
            "view() received an invalid combination of arguments - got (), but expected a shape"
        )
    wanted = inferred(shape_of(self), integers(shape))
    if self._steps is not None and merged_strides(layout_of(self), wanted) is None:
        raise RuntimeError(_INCOMPATIBLE)
    return windows.viewed(self, wanted)


def _view_dtype(tensor, kind):
    shape, old, new = shape_of(tensor), tensor.dtype.itemsize, kind.itemsize
    if old == new:
        return windows.viewed_bits(tensor, kind.jax, shape[-1] if shape else 1)
    _check_widths(tensor, shape, old, new, kind)
    return windows.viewed_bits(tensor, kind.jax, shape[-1] * old // new)


def _check_widths(tensor, shape, old, new, kind):
    """PyTorch's errors for bytes that cannot be grouped into elements of another width."""
    names = f"view {scalar_name(tensor.dtype.jax)} as {scalar_name(kind.jax)}"
    end = "(different element sizes)"
    if not shape:
        raise RuntimeError(f"self.dim() cannot be 0 to {names} {end}")
    strides, offset = layout_of(tensor)[1:]
    ratio = new // old
    if ratio > 1:
        divisible = {"size(-1)": shape[-1], "storage_offset()": offset}
        _check_divisible(divisible, ratio, f"{names} {end}")
    if strides[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 to {names} {end}, but got {strides[-1]}")
    if ratio > 1:
        divisible = {f"stride({dim})": stride for dim, stride in enumerate(strides[:-1])}
        _check_divisible(divisible, ratio, f"{names} {end}")


def _check_divisible(numbers, ratio, text):
    for what, found in numbers.items():
        if found % ratio:
            raise RuntimeError(
                f"self.{what} must be divisible by {ratio} to {text}, but got {found}"
            )


@op(function=False, method=False, grad="UnsafeViewBackward0")
def reshaped_copy(input: Array, shape: tuple):
    """The elements in another shape, in a storage of their own."""
    return input.reshape(shape)


@composite
def reshape(input, *shape):
    """The same elements in another shape: a view where strides allow one, else a copy.

    Example:
        >>> kuai.arange(6).reshape(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if not shape:
        raise TypeError('reshape() missing 1 required positional arguments: "shape"')
    wanted = inferred(shape_of(input), integers(shape))
    if input._steps is not None and merged_strides(layout_of(input), wanted) is None:
        return reshaped_copy(input, wanted)
    return windows.viewed(input, wanted)


@composite(function=False)
def view_as(self, other):
    """`self.view(other.size())`.

    Example:
        >>> kuai.zeros(6).view_as(kuai.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return view(self, *shape_of(other)) if shape_of(other) else view(self, ())


@composite(function=False)
def reshape_as(self, other):
    """`self.reshape(other.size())`.

    Example:
        >>> kuai.zeros(6).reshape_as(kuai.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return reshape(self, shape_of(other))


@composite
def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions `start_dim` to `end_dim` as one.

    Example:
        >>> kuai.zeros(2, 3, 4).flatten(1).shape
        torch.Size([2, 12])
    """
    shape = shape_of(input)
    start, end = normalize_dim(start_dim, len(shape)), normalize_dim(end_dim, len(shape))
    if not shape:
        return reshape(input, (1,))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@composite
def ravel(input):
    """All elements as one dimension.

    Example:
        >>> kuai.zeros(2, 3).ravel().shape
        torch.Size([6])
    """
    return reshape(input, (-1,)) if math.prod(shape_of(input)) else reshape(input, (0,))


@composite
def unflatten(input, dim, sizes):
    """One dimension as several.

    Example:
        >>> kuai.zeros(2, 12).unflatten(1, (3, -1)).shape
        torch.Size([2, 3, 4])
    """
    shape = shape_of(input)
    dim, sizes = normalize_dim(dim, len(shape)), tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = math.prod(size for size in sizes if size != -1)
    if (known != shape[dim]) if -1 not in sizes else (not known or shape[dim] % known):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[dim]}) in the input tensor"
        )
    return view(input, *shape[:dim], *inferred((shape[dim],), sizes), *shape[dim + 1 :])


@composite
def unsqueeze(input, dim):
    """A dimension of size 1 inserted at `dim`.

    Example:
        >>> kuai.zeros(2, 3).unsqueeze(-1).shape
        torch.Size([2, 3, 1])
    """
    return windows.with_dim(input, normalize_dim(dim, len(shape_of(input)) + 1))


@composite
def squeeze(input, *dim):
    """Dimensions of size 1 taken away: all of them, or those named.

    Example:
        >>> kuai.zeros(1, 2, 1).squeeze().shape, kuai.zeros(1, 2, 1).squeeze(0).shape
        (torch.Size([2]), torch.Size([2, 1]))
    """
    shape = shape_of(input)
    if len(dim) == 1:
        dim = dim[0]
    elif not dim:
        return windows.squeezed_all(input, tuple(d for d, size in enumerate(shape) if size == 1))
    chosen = () if isinstance(dim, (tuple, list)) and not dim else normalize_dims(dim, len(shape))
    change = windows.squeezed_one if isinstance(dim, INTEGERS) else windows.squeezed_some
    return change(input, tuple(d for d in chosen if shape and shape[d] == 1))


# What it is ---------------------------------------------------------------------------------------


@composite(function=False)
def size(self, dim=None):
    """The shape, or the size of one dimension.

    Example:
        >>> kuai.zeros(2, 3).size(), kuai.zeros(2, 3).size(-1)
        (torch.Size([2, 3]), 3)
    """
    shape = shape_of(self)
    return Size(shape) if dim is None else shape[_existing(dim, shape)]


@composite(function=False)
def stride(self, dim=None):
    """How many elements apart neighbours lie, as PyTorch would report it.

    Example:
        >>> kuai.zeros(2, 3).t().stride()
        (1, 3)
    """
    strides = layout_of(self).strides
    return strides if dim is None else strides[_existing(dim, strides)]


def _existing(dim, shape):
    if not shape:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return normalize_dim(whole(dim), len(shape))
