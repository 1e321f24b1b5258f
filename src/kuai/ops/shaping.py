"""Shapes: other shapes and orders of the same elements. All functions here give views.

PyTorch's rule decides between view and copy: `view` refuses what strides cannot express, `reshape`
copies then. Here only the layout (see `engine.layouts`) knows about strides.
"""

import math

import numpy as np

from kuai.engine import dtypes, views
from kuai.engine.door import Array, composite, op
from kuai.engine.layouts import is_contiguous, layout_of, merged_strides
from kuai.engine.size import Size
from kuai.engine.tensor import Tensor
from kuai.ops import windows
from kuai.ops.dimensions import normalize_dim, normalize_dims

_INCOMPATIBLE = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans "
    "across two contiguous subspaces). Use .reshape(...) instead."
)


def shape_of(tensor) -> tuple:
    """A tensor's shape as a plain tuple."""
    return views.value(tensor).shape


def integers(given) -> tuple:
    """Sizes or dimensions given either one by one or as one sequence."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    return tuple(map(int, given))


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
def view(self, *shape):
    """The same elements in another shape, or with a dtype the same bytes; shares storage.

    Example:
        >>> x = kuai.zeros(2, 3)
        >>> x.view(-1)[0] = 1
        >>> x
        tensor([[1., 0., 0.],
                [0., 0., 0.]])
    """
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return _view_dtype(self, shape[0])
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
    if not shape:
        raise RuntimeError(
            f"self.dim() cannot be 0 to view {_scalar(tensor.dtype)} as {_scalar(kind)} (different element sizes)"
        )
    if shape[-1] * old % new:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old} to view {_scalar(tensor.dtype)} as "
            f"{_scalar(kind)} (different element sizes), but got {shape[-1]}"
        )
    if not is_contiguous(tensor):
        raise RuntimeError("self.stride(-1) must be 1 to view tensors of different element sizes")
    return windows.viewed_bits(tensor, kind.jax, shape[-1] * old // new)


def _scalar(kind):
    from_name = {"float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int"}
    return from_name.get(kind.name, kind.name.capitalize())


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
def squeeze(input, dim=None):
    """Dimensions of size 1 taken away: all of them, or those named.

    Example:
        >>> kuai.zeros(1, 2, 1).squeeze().shape, kuai.zeros(1, 2, 1).squeeze(0).shape
        (torch.Size([2]), torch.Size([2, 1]))
    """
    shape = shape_of(input)
    if dim is None:
        return windows.squeezed_all(input, tuple(d for d, size in enumerate(shape) if size == 1))
    chosen = normalize_dims(dim, len(shape)) if dim != () else ()
    change = windows.squeezed_one if isinstance(dim, int) else windows.squeezed_some
    return change(input, tuple(d for d in chosen if shape and shape[d] == 1))


# Order --------------------------------------------------------------------------------------------


@composite
def permute(input, *dims):
    """The dimensions in another order.

    Example:
        >>> kuai.zeros(2, 3, 4).permute(2, 0, 1).shape
        torch.Size([4, 2, 3])
    """
    dims, ndim = integers(dims), len(shape_of(input))
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length "
            f"of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to "
            f"len(dims) = {len(dims)}"
        )
    wanted = tuple(normalize_dim(dim, ndim) for dim in dims)
    if len(set(wanted)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return windows.permuted(input, wanted)


def _swapped(ndim, first, second):
    order = list(range(ndim))
    order[first], order[second] = second, first
    return tuple(order)


@composite(aliases=("swapaxes", "swapdims"))
def transpose(input, dim0, dim1):
    """Two dimensions swapped.

    Example:
        >>> kuai.zeros(2, 3, 4).transpose(0, 2).shape
        torch.Size([4, 3, 2])
    """
    ndim = len(shape_of(input))
    first, second = normalize_dim(dim0, ndim), normalize_dim(dim1, ndim)
    return windows.transposed(input, _swapped(ndim, first, second) if ndim else ())


@composite
def t(input):
    """The transpose of a matrix; vectors and scalars stay as they are.

    Example:
        >>> kuai.zeros(2, 3).t().shape
        torch.Size([3, 2])
    """
    ndim = len(shape_of(input))
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return windows.matrix_transposed(input, tuple(reversed(range(ndim))))


@composite
def adjoint(input):
    """The conjugate transpose of matrices.

    Example:
        >>> kuai.zeros(4, 2, 3).adjoint().shape
        torch.Size([4, 3, 2])
    """
    turned = transpose(input, -2, -1)
    return conjugate(turned) if input.dtype.is_complex else turned


@op(function=False, method=False, grad="ConjBackward0")
def conjugate(input: Array):
    """The complex conjugate."""
    return input.conj()


@composite(aliases=("conj_physical",))
def conj(input):
    """The complex conjugate; a real tensor stays itself.

    Example:
        >>> kuai.conj(kuai.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    return conjugate(input) if input.dtype.is_complex else input


@composite(aliases=("moveaxis",))
def movedim(input, source, destination):
    """Dimensions moved to other places; the others keep their order.

    Example:
        >>> kuai.zeros(2, 3, 4).movedim(0, -1).shape
        torch.Size([3, 4, 2])
    """
    ndim = len(shape_of(input))
    source = (source,) if isinstance(source, int) else tuple(source)
    destination = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain "
            f"the same number of dims as destination ({list(destination)} dims)"
        )
    sources, targets = normalize_dims(source, ndim), normalize_dims(destination, ndim)
    order = [dim for dim in range(ndim) if dim not in sources]
    for target, dim in sorted(zip(targets, sources, strict=True)):
        order.insert(target, dim)
    return windows.permuted(input, tuple(order))


@composite(aliases=("resolve_neg",))
def resolve_conj(input):
    """The tensor itself: conjugation is never put off here."""
    return input


# Parts --------------------------------------------------------------------------------------------


@composite
def select(input, dim, index):
    """One index of a dimension, which goes away.

    Example:
        >>> kuai.arange(6).view(2, 3).select(1, -1)
        tensor([2, 5])
    """
    shape = shape_of(input)
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = normalize_dim(dim, len(shape)), int(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}"
        )
    return windows.selected(input, dim, index % shape[dim])


@composite
def narrow(input, dim, start, length):
    """`length` elements of a dimension, from `start` on.

    Example:
        >>> kuai.arange(5).narrow(0, 1, 3)
        tensor([1, 2, 3])
    """
    shape = shape_of(input)
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim, start, length = normalize_dim(dim, len(shape)), int(start), int(length)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -shape[dim] <= start <= shape[dim]:
        raise IndexError(
            f"start out of range (expected to be in range of [-{shape[dim]}, {shape[dim]}], but got {start})"
        )
    start = start + shape[dim] if start < 0 else start
    if start + length > shape[dim]:
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({shape[dim]})."
        )
    return windows.sliced(input, dim, start, length, 1)


@composite
def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonal of the matrices in two dimensions, as a new last dimension.

    Example:
        >>> kuai.arange(9).view(3, 3).diagonal(1)
        tensor([1, 5])
    """
    ndim = len(shape_of(input))
    first, second = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return windows.diagonal_of(input, int(offset), first, second)


@composite(function=False)
def unfold(self, dimension, size, step):
    """All windows of `size` elements along a dimension, in a new last dimension.

    Example:
        >>> kuai.arange(5).unfold(0, 3, 2)
        tensor([[0, 1, 2],
                [2, 3, 4]])
    """
    shape = shape_of(self)
    dim = normalize_dim(dimension, len(shape))
    length = shape[dim] if shape else 1
    if size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {dim} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return windows.unfolded(self if shape else unsqueeze(self, 0), dim, int(size), int(step))


# Repetition without copying -----------------------------------------------------------------------


@composite(function=False)
def expand(self, *sizes):
    """Dimensions of size 1 repeated; -1 leaves a dimension as it is.

    Example:
        >>> kuai.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    shape, wanted = shape_of(self), integers(sizes)
    new = len(wanted) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand({_type_text(self)}{{{list(shape)}}}, size={list(wanted)}): the number of sizes "
            f"provided ({len(wanted)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(shape)})"
        )
    final = list(wanted)
    for dim, size in enumerate(wanted):
        old = shape[dim - new] if dim >= new else None
        if size == -1 and old is None:
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) isn't allowed in a leading, non-existing "
                f"dimension {dim}"
            )
        final[dim] = old if size == -1 else size
        if old not in (None, 1, final[dim]):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size ({old}) at "
                f"non-singleton dimension {dim}.  Target sizes: {list(wanted)}.  "
                f"Tensor sizes: {list(shape)}"
            )
    return windows.expanded(self, tuple(final))


def _type_text(tensor):
    return f"torch.{tensor.type().removeprefix('torch.')}"


@composite(function=False)
def expand_as(self, other):
    """`self.expand(other.size())`.

    Example:
        >>> kuai.zeros(1, 3).expand_as(kuai.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return expand(self, shape_of(other))


@composite
def broadcast_to(input, size):
    """The tensor expanded to a shape.

    Example:
        >>> kuai.broadcast_to(kuai.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, size)


# Complex numbers and attributes ---------------------------------------------------------------------


@composite(method=False)
def real(input):
    """The real parts, as a view; a real tensor stays itself.

    Example:
        >>> kuai.real(kuai.tensor([1 + 2j]))
        tensor([1.])
    """
    return windows.real_part(input) if input.dtype.is_complex else input


@composite(method=False)
def imag(input):
    """The imaginary parts, as a view.

    Example:
        >>> kuai.imag(kuai.tensor([1 + 2j]))
        tensor([2.])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return windows.imaginary_part(input)


def _transposed_attribute(self):
    """All dimensions in reverse order."""
    return windows.permuted(self, tuple(reversed(range(len(shape_of(self))))))


def _matrices(name, change):
    def attribute(self):
        ndim = len(shape_of(self))
        if ndim == 1 or (name in ("H",) and ndim not in (0, 2)):
            wanted = "2-D tensors" if name == "H" else "matrices or batches of matrices"
            raise RuntimeError(f"tensor.{name} is only supported on {wanted}. Got {ndim}-D tensor.")
        return self if ndim == 0 else change(self)

    return property(attribute, doc=f"The matrices transposed (`.{name}` of PyTorch).")


Tensor.T = property(_transposed_attribute)
Tensor.mT = _matrices("mT", lambda x: transpose(x, -2, -1))
Tensor.mH = _matrices("mH", adjoint)
Tensor.H = _matrices("H", adjoint)
Tensor.real = property(real, lambda self, value: real(self).copy_(value))
Tensor.imag = property(imag, lambda self, value: imag(self).copy_(value))


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
    return normalize_dim(int(np.asarray(dim)), len(shape))
