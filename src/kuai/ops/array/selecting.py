"""Parts: an index, a range, a diagonal, windows; real parts; repetition without copying.

All functions here give views.
"""

from kuai.engine.op import composite
from kuai.engine.tensor import Tensor, method
from kuai.engine.tensor.size import whole
from kuai.ops.array import windows
from kuai.ops.array.shaping import integers, shape_of, unsqueeze
from kuai.ops.dimensions import normalize_dim

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
    dim, index = normalize_dim(dim, len(shape)), whole(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at "
            f"dimension {dim}"
        )
    return windows.selected(input, dim, index % shape[dim])


def _is_whole(dtype):
    return not (dtype.is_floating_point or dtype.is_complex or dtype.name == "bool")


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
    if isinstance(start, Tensor) and (start.ndim or not _is_whole(start.dtype)):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    dim, start, length = normalize_dim(dim, len(shape)), whole(start), whole(length)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -shape[dim] <= start <= shape[dim]:
        raise IndexError(
            f"start out of range (expected to be in range of [-{shape[dim]}, {shape[dim]}], "
            f"but got {start})"
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
    return windows.diagonal_of(input, whole(offset), first, second)


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
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {dim} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not shape:
        return unsqueeze(self, 0)[: whole(size)]
    return windows.unfolded(self, dim, whole(size), whole(step))


# Repetition without copying -----------------------------------------------------------------------


@composite(function=False)
def expand(self, *sizes, implicit=False):
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
            f"expand({_type_text(self)}{{{list(shape)}}}, size={list(wanted)}): the number "
            "of sizes "
            f"provided ({len(wanted)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(shape)})"
        )
    final = list(wanted)
    for dim, size in enumerate(wanted):
        old = shape[dim - new] if dim >= new else None
        if size == -1 and old is None:
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) isn't allowed in a leading, "
                "non-existing "
                f"dimension {dim}"
            )
        if size < -1:
            raise RuntimeError("numel: integer multiplication overflow")
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
def broadcast_to(input, *size):
    """The tensor expanded to a shape.

    Example:
        >>> kuai.broadcast_to(kuai.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, *size)


# Complex numbers and attributes -------------------------------------------------------------------


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


method(property(real, lambda self, value: real(self).copy_(value)), name="real")
method(property(imag, lambda self, value: imag(self).copy_(value)), name="imag")
