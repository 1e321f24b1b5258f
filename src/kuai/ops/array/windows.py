"""Windows: the view operations that everything in `shaping` and `indexing` is made of.

Each is three pure functions beside each other: how to read the view out of its base, how to write
it back, and which strides PyTorch would report (`layout`). The functions users know are built
from these.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.op import Array, Number, view_op
from kuai.engine.tensor.layouts import Layout, contiguous_strides, merged_strides
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide, spread

OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


# Another shape ------------------------------------------------------------------------------------


def _write_reshaped(base, part, shape):
    return jnp.reshape(part, base.shape)


def _layout_reshaped(layout, shape):
    strides = merged_strides(layout, shape)
    return Layout(shape, strides or contiguous_strides(shape), layout.offset)


def _reshaping(grad):
    @view_op(
        write=_write_reshaped, layout=_layout_reshaped, grad=grad, function=False, method=False
    )
    def reshaped(input: Array, shape: tuple):
        """The same elements in another shape."""
        return jnp.reshape(input, shape)

    return reshaped


viewed = _reshaping("ViewBackward0")
unflattened = _reshaping("ViewBackward0")


def _with_dim(layout, dim):
    size, stride, offset = layout
    following = size[dim] * stride[dim] if dim < len(size) else 1
    shape, strides = (*size[:dim], 1, *size[dim:]), (*stride[:dim], following, *stride[dim:])
    return Layout(shape, strides, offset)


@view_op(
    write=lambda base, part, dim: jnp.squeeze(part, dim),
    layout=_with_dim,
    grad="UnsqueezeBackward0",
    function=False,
    method=False,
)
def with_dim(input: Array, dim: int):
    """A dimension of size 1 inserted before `dim`."""
    return jnp.expand_dims(input, dim)


def _without_dims(layout, dims):
    kept = [dim for dim in range(len(layout.shape)) if dim not in dims]
    shape, strides = (tuple(part[dim] for dim in kept) for part in layout[:2])
    return Layout(shape, strides, layout.offset)


def _squeezing(grad):
    @view_op(
        write=lambda base, part, dims: jnp.reshape(part, base.shape),
        layout=_without_dims,
        grad=grad,
        function=False,
        method=False,
    )
    def without_dims(input: Array, dims: tuple):
        """Dimensions of size 1 taken away."""
        return jnp.squeeze(input, dims)

    return without_dims


squeezed_all, squeezed_one, squeezed_some = map(
    _squeezing, ("SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2")
)


# Another order ------------------------------------------------------------------------------------


def _write_permuted(base, part, dims):
    back = sorted(range(len(dims)), key=dims.__getitem__)
    return jnp.transpose(part, back)


def _layout_permuted(layout, dims):
    shape, strides = (tuple(part[dim] for dim in dims) for part in layout[:2])
    return Layout(shape, strides, layout.offset)


def _permuting(grad):
    @view_op(
        write=_write_permuted, layout=_layout_permuted, grad=grad, function=False, method=False
    )
    def permuted(input: Array, dims: tuple):
        """The dimensions in another order."""
        return jnp.transpose(input, dims)

    return permuted


permuted, transposed, matrix_transposed = map(
    _permuting, ("PermuteBackward0", "TransposeBackward0", "TBackward0")
)


# A part -------------------------------------------------------------------------------------------


def _write_narrowed(base, part, dim, start, length, step):
    if step == 1:
        return lax.dynamic_update_slice_in_dim(base, part, start, dim)
    places = start + step * jnp.arange(length)
    return base.at[(slice(None),) * dim + (places,)].set(part)


def _layout_narrowed(layout, dim, start, length, step):
    shape, strides = list(layout.shape), list(layout.strides)
    offset = layout.offset + start * strides[dim]
    shape[dim], strides[dim] = length, strides[dim] * step
    return Layout(tuple(shape), tuple(strides), offset)


def _narrowing(grad):
    @view_op(
        write=_write_narrowed, layout=_layout_narrowed, grad=grad, function=False, method=False
    )
    def narrowed(input: Array, dim: int, start: Number, length: int, step: int):
        """`length` elements of a dimension, from `start` on, every `step`-th."""
        span = max((length - 1) * step + 1, 0)
        part = lax.dynamic_slice_in_dim(input, start, span, dim)
        return part if step == 1 else lax.slice_in_dim(part, 0, span, step, dim)

    return narrowed


sliced, split_off = map(_narrowing, ("SliceBackward0", "SplitBackward0"))


def _write_selected(base, part, dim, index):
    return lax.dynamic_update_index_in_dim(base, part, index, dim)


def _layout_selected(layout, dim, index):
    narrowed = _layout_narrowed(layout, dim, index, 1, 1)
    return _without_dims(narrowed, (dim,))


def _selecting(grad):
    @view_op(
        write=_write_selected, layout=_layout_selected, grad=grad, function=False, method=False
    )
    def selected(input: Array, dim: int, index: Number):
        """One index of a dimension, which goes away."""
        return lax.dynamic_index_in_dim(input, index, dim, keepdims=False)

    return selected


selected, unbound = map(_selecting, ("SelectBackward0", "UnbindBackward0"))


def _diagonal_places(shape, offset, dim1, dim2):
    length = max(min(shape[dim1] + min(offset, 0), shape[dim2] - max(offset, 0)), 0)
    return jnp.arange(length) + max(-offset, 0), jnp.arange(length) + max(offset, 0)


def _write_diagonal(base, part, offset, dim1, dim2):
    rows, columns = _diagonal_places(base.shape, offset, dim1, dim2)
    front = jnp.moveaxis(base, (dim1, dim2), (0, 1))
    written = front.at[rows, columns].set(jnp.moveaxis(part, -1, 0))
    return jnp.moveaxis(written, (0, 1), (dim1, dim2))


def _layout_diagonal(layout, offset, dim1, dim2):
    shape, strides, start = layout
    length = max(min(shape[dim1] + min(offset, 0), shape[dim2] - max(offset, 0)), 0)
    if length:
        start += max(-offset, 0) * strides[dim1] + max(offset, 0) * strides[dim2]
    rest = _without_dims(layout, (dim1, dim2))
    return Layout((*rest.shape, length), (*rest.strides, strides[dim1] + strides[dim2]), start)


@view_op(
    write=_write_diagonal,
    layout=_layout_diagonal,
    grad="DiagonalBackward0",
    function=False,
    method=False,
)
def diagonal_of(input: Array, offset: int, dim1: int, dim2: int):
    """The diagonal of the matrices in two dimensions, as a new last dimension."""
    rows, columns = _diagonal_places(input.shape, offset, dim1, dim2)
    front = jnp.moveaxis(input, (dim1, dim2), (0, 1))
    return jnp.moveaxis(front[rows, columns], 0, -1)


# Elements several times ---------------------------------------------------------------------------


def _write_expanded(base, part, shape):
    """Of the copies of an element the last one that was written; `overwrite` refuses the rest."""
    if 0 in shape:
        return base
    if math.prod(shape) == math.prod(base.shape):
        return jnp.reshape(part, base.shape)
    new = len(shape) - base.ndim
    repeated = [*range(new), *(new + d for d, n in enumerate(base.shape) if n != shape[new + d])]
    copies = jnp.moveaxis(part, repeated, range(len(repeated)))
    copies = copies.reshape(-1, *base.shape)
    written = (copies != base) & ~((copies != copies) & (base != base))
    last = len(copies) - 1 - jnp.argmax(written[::-1], 0)
    chosen = jnp.take_along_axis(copies, last[None], 0)[0]
    return jnp.where(written.any(0), chosen, base)


def _layout_expanded(layout, shape):
    new = len(shape) - len(layout.shape)
    pairs = zip(layout.shape, shape[new:], layout.strides, strict=True)
    strides = tuple(stride if size == wanted else 0 for size, wanted, stride in pairs)
    front = [0] * new
    for dim in range(new - 1, -1, -1):  # PyTorch gives a new dimension of size 1 a stride, too
        inner = (*front[dim + 1 :], *strides)
        front[dim] = (shape[dim + 1] * inner[0] if inner else 1) if shape[dim] == 1 else 0
    return Layout(shape, (*front, *strides), layout.offset)


@view_op(
    write=_write_expanded,
    layout=_layout_expanded,
    grad="ExpandBackward0",
    function=False,
    method=False,
)
def expanded(input: Array, shape: tuple):
    """Dimensions of size 1 repeated, without a copy in PyTorch's memory."""
    return spread(input, shape)


expanded.operation.repeats = True


def _window_places(length, size, step):
    starts = step * jnp.arange((length - size) // step + 1)
    return starts[:, None] + jnp.arange(size)


def _write_unfolded(base, part, dim, size, step):
    if size > step:
        raise RuntimeError(OVERLAP)
    places = _window_places(base.shape[dim], size, step)
    front = jnp.moveaxis(base, dim, 0)
    written = front.at[places].set(jnp.moveaxis(part, (dim, -1), (0, 1)))
    return jnp.moveaxis(written, 0, dim)


def _layout_unfolded(layout, dim, size, step):
    shape, strides = list(layout.shape), list(layout.strides)
    shape.append(size), strides.append(strides[dim])
    shape[dim], strides[dim] = (shape[dim] - size) // step + 1, strides[dim] * step
    return Layout(tuple(shape), tuple(strides), layout.offset)


@view_op(
    write=_write_unfolded,
    layout=_layout_unfolded,
    grad="UnfoldBackward0",
    function=False,
    method=False,
)
def unfolded(input: Array, dim: int, size: int, step: int):
    """All windows of `size` elements along `dim`, in a new last dimension."""
    places = _window_places(input.shape[dim], size, step)
    windows = in_wide(lambda wide: jnp.moveaxis(wide, dim, 0)[places], input)
    return jnp.moveaxis(windows, (0, 1), (dim, -1))


unfolded.operation.may_overlap = True

for _view in (
    viewed, unflattened, with_dim, squeezed_all, squeezed_one, squeezed_some, permuted, transposed,
    matrix_transposed, sliced, split_off, selected, unbound, diagonal_of, expanded, unfolded,
):  # fmt: skip
    _view.operation.moves = True


# The parts of complex numbers ---------------------------------------------------------------------


@view_op(
    write=lambda base, part: lax.complex(part, lax.imag(base)),
    layout=lambda layout: Layout(
        layout.shape, tuple(2 * s for s in layout.strides), 2 * layout.offset
    ),
    grad="RealBackward0",
    function=False,
    method=False,
)
def real_part(input: Array):
    """The real parts."""
    return lax.real(input)


@view_op(
    write=lambda base, part: lax.complex(lax.real(base), part),
    layout=lambda layout: Layout(
        layout.shape, tuple(2 * s for s in layout.strides), 2 * layout.offset + 1
    ),
    grad="ImagBackward0",
    function=False,
    method=False,
)
def imaginary_part(input: Array):
    """The imaginary parts."""
    return lax.imag(input)


@view_op(
    method=False,
    write=lambda base, part: lax.complex(part[..., 0], part[..., 1]),
    layout=lambda layout: Layout(
        (*layout.shape, 2), (*(2 * s for s in layout.strides), 1), 2 * layout.offset
    ),
)
def view_as_real(input: Array):
    """Complex numbers as pairs of real numbers in a new last dimension; a view.

    Example:
        >>> kuai.view_as_real(kuai.tensor([1 + 2j]))
        tensor([[1., 2.]])
    """
    if input.dtype.kind != "c":
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return jnp.stack([lax.real(input), lax.imag(input)], axis=-1)


def _write_as_complex(base, part):
    return jnp.stack([lax.real(part), lax.imag(part)], axis=-1)


@view_op(
    autocast={"cpu": "float32"},
    method=False,
    write=_write_as_complex,
    layout=lambda layout: Layout(
        layout.shape[:-1], tuple(s // 2 for s in layout.strides[:-1]), layout.offset // 2
    ),
)
def view_as_complex(input: Array):
    """Pairs of real numbers in the last dimension as complex numbers; a view.

    Example:
        >>> kuai.view_as_complex(kuai.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])
    """
    if input.dtype.kind not in "fV":
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {scalar_name(input.dtype)}"
        )
    if not input.shape or input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return lax.complex(input[..., 0], input[..., 1])


def _bits(array, kind):
    """The same memory read as another type; the last dimension takes up a change of width."""
    if kind.kind == "b" and array.dtype.kind != "b":
        return _bits(array, jnp.dtype(jnp.uint8)) != 0
    if array.dtype.kind == "b" and kind.kind != "b":
        array = array.astype(jnp.uint8)
    if kind.kind == "c" and array.dtype.kind != "c":
        parts = _bits(array, jnp.finfo(kind).dtype)
        return lax.complex(parts[..., 0::2], parts[..., 1::2])
    narrow, wide = sorted((array.dtype.itemsize, kind.itemsize))
    if array.dtype.itemsize < kind.itemsize:
        array = array.reshape(*array.shape[:-1], array.shape[-1] * narrow // wide, wide // narrow)
        return lax.bitcast_convert_type(array, kind)
    made = lax.bitcast_convert_type(array, kind)
    if narrow == wide:
        return made
    return made.reshape(*made.shape[:-2], made.shape[-2] * made.shape[-1])


def _layout_bits(layout, kind, last):
    if not layout.shape or layout.shape[-1] == last:
        return layout
    shape = (*layout.shape[:-1], last)
    if 0 in shape:
        return Layout(shape, contiguous_strides(shape), 0)
    before, after = sorted((layout.shape[-1], last))
    ratio = after // before
    scaled = [n * ratio if last == after else n // ratio for n in (*layout.strides, layout.offset)]
    return Layout(shape, (*scaled[:-2], 1), scaled[-1])


@view_op(
    write=lambda base, part, kind, last: _bits(part, jnp.dtype(base.dtype)),
    layout=_layout_bits,
    grad="ViewBackward1",
    function=False,
    method=False,
)
def viewed_bits(input: Array, kind: np.dtype, last: int):
    """The same bytes as another element type."""
    return _bits(lax.stop_gradient(input), kind)
