"""`as_strided` and `resize_`: windows of strides on the memory of a base, reading and writing.

Kuai's arrays have no strides. A window of strides is read by gathering the places it covers out of
the base, row by row, and written by putting the elements back there.
"""

import math

import numpy as np

from kuai.engine.op import Array, composite, view_op
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.layouts import Layout, contiguous_strides, layout_of
from kuai.ops.accumulation import in_wide
from kuai.ops.array import creation, joining
from kuai.ops.array.shape_changes import become
from kuai.ops.array.shaping import integers, shape_of
from kuai.ops.array.windows import OVERLAP


def _places(size, stride, offset):
    """The place in memory of each element of a window."""
    places = np.full((1,) * len(size), offset, np.int64).reshape(())
    for length, step in zip(size, stride, strict=True):
        places = places[..., None] + step * np.arange(length)
    return places


def _write_strided(base, part, size, stride, offset):
    places = _places(size, stride, offset)
    if np.unique(places).size != places.size:
        raise RuntimeError(OVERLAP)
    flat = base.reshape(-1).at[places].set(part)
    return flat.reshape(base.shape)


@view_op(
    write=_write_strided,
    layout=lambda layout, size, stride, offset: Layout(size, stride, offset),
    grad="AsStridedBackward0",
    function=False,
    method=False,
)
def strided(input: Array, size: tuple, stride: tuple, offset: int):
    """The elements of contiguous memory that a window covers."""
    places = _places(size, stride, offset)
    return in_wide(lambda wide: wide.reshape(-1)[places], input)


strided.operation.may_overlap = strided.operation.moves = True


def _owner(tensor):
    """A tensor that has the whole of the memory, with the history of the base."""
    if tensor._steps is None:
        return tensor
    base = tensor._base
    source = (
        base if base is not None and (base.requires_grad or not tensor.requires_grad) else tensor
    )
    if source._steps is None:
        return source
    whole = Tensor._share(tensor)
    whole._steps = None
    traced = modes.state.grad_enabled and source.requires_grad
    return _with_history(whole, source) if traced else whole


def _with_history(whole, window):
    """The memory as a function of a tensor that requires a gradient and is a window on it."""
    layout = layout_of(window)
    places = _places(layout.shape, layout.strides, layout.offset).reshape(-1)
    flat = whole.reshape(-1).index_put((creation.tensor(places),), window.reshape(-1))
    return flat.reshape(shape_of(whole))


def _check_window(owner, size, stride, offset):
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(step < 0 for step in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(stride)}"
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    width = owner.dtype.itemsize
    end = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    room = math.prod(shape_of(owner))
    if math.prod(size) and end > room:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
            f"itemsize {width} requiring a storage size of {end * width} are out of bounds for "
            f"storage of size {room * width}"
        )


@composite
def as_strided(input, size, stride, storage_offset=None):
    """A view of the memory of a tensor's base: element (i, j, …) lies at offset + i·s₀ + j·s₁ + ….

    Args:
        stride: the distance in memory of neighbours along each dimension.
        storage_offset: where the first element lies; by default where the input's does.

    Example:
        >>> kuai.arange(5).as_strided((3, 2), (1, 2))
        tensor([[0, 2],
                [1, 3],
                [2, 4]])

    Differs from PyTorch: the base counts as contiguous, and a window that covers an element twice
    cannot be written to.
    """
    owner, size, stride = _owner(input), integers([size]), integers([stride])
    offset = layout_of(input).offset if storage_offset is None else storage_offset
    _check_window(owner, size, stride, offset)
    return strided(owner, size, stride, offset)


@composite
def as_strided_(input, size, stride, storage_offset=None):
    """Let this tensor be its own `as_strided`.

    Example:
        >>> kuai.arange(4).as_strided_((2,), (2,))
        tensor([0, 2])
    """
    return become(input, as_strided(input, size, stride, storage_offset))


@composite(function=False)
def resize_(self, *sizes, memory_format=None):
    """Give the tensor another size; it takes the elements that lie in its memory, new ones are 0.

    A tensor that grows beyond that memory gets one of its own.

    Example:
        >>> kuai.arange(3).resize_(2, 2)
        tensor([[0, 1],
                [2, 0]])
    """
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    wanted = integers(sizes)
    if any(size < 0 for size in wanted):
        raise RuntimeError("numel: integer multiplication overflow")
    if wanted == shape_of(self):
        return self
    count, offset = math.prod(wanted), layout_of(self).offset
    if self._steps is None and count <= self.numel():
        return become(self, self.reshape(-1)[:count].view(wanted))
    if offset + count <= math.prod(shape_of(_owner(self))):
        return become(self, as_strided(self, wanted, contiguous_strides(wanted), offset))
    if not self._storage.is_array:
        raise RuntimeError("Trying to resize storage that is not resizable")
    flat = self.reshape(-1)
    missing = creation.zeros(count - flat.numel(), dtype=self.dtype, device=self.device)
    return become(self, joining.cat([flat, missing]).view(wanted))


@composite
def resize_as_(input, the_template, *, memory_format=None):
    """Give the tensor the size of another one.

    Example:
        >>> kuai.arange(4).resize_as_(kuai.zeros(2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    return resize_(input, shape_of(the_template))


@composite
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of the input with `src` in the window that `as_strided` would give.

    Example:
        >>> kuai.zeros(4).as_strided_scatter(kuai.ones(2), (2,), (3,))
        tensor([1., 0., 0., 1.])
    """
    made = joining.clone(input)
    window = as_strided(made, size, stride, 0 if storage_offset is None else storage_offset)
    if shape_of(window) != shape_of(src):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(shape_of(src))}, slice size = {list(shape_of(window))}"
        )
    window.copy_(src)
    return made


# Tensors with strides of their own ----------------------------------------------------------------


@composite(method=False)
def empty_permuted(
    size,
    physical_layout,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """A new tensor whose dimensions lie in memory in the order given, the outermost one first.

    Example:
        >>> kuai.empty_permuted((2, 3), (1, 0)).stride()
        (1, 2)
    """
    size, order = integers([size]), integers([physical_layout])
    if len(size) != len(order):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; "
            f"i.e. len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for place, dim in enumerate(order):
        if not 0 <= dim < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got "
                f"{dim} at index {place}).  NB: negative dims not currently supported; file an "
                "issue if you want it."
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    made = creation.empty(tuple(size[dim] for dim in order), dtype=dtype, device=device).permute(
        tuple(order.index(dim) for dim in range(len(size)))
    )
    return made.detach().requires_grad_() if requires_grad else made


@composite(export="Tensor.new_empty_strided")
def new_empty_strided(
    self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A new tensor of this one's dtype and device, with the strides given.

    Example:
        >>> kuai.ones(1).new_empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    size, stride = integers([size]), integers([stride])
    order = sorted(range(len(size)), key=lambda dim: (-stride[dim], dim))  # outermost first
    return empty_permuted(
        size,
        order,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
    )
