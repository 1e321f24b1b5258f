"""Order: dimensions exchanged, reversed and moved; complex conjugates. All but those are views."""

from typing import Any

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import method
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops import outdated
from kuai.ops.array import windows
from kuai.ops.array.shaping import integers, shape_of
from kuai.ops.dimensions import normalize_dim


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
            "permute(sparse_coo): number of dimensions in the tensor input does not match "
            "the length "
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
    if input.ndim == 1:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    turned = transpose(input, -2, -1) if input.ndim else input
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


def _row(dims) -> tuple[Any, ...]:
    return tuple(dims) if isinstance(dims, (list, tuple)) else (dims,)


@composite(aliases=("moveaxis",))
def movedim(input, source, destination):
    """Dimensions moved to other places; the others keep their order.

    Example:
        >>> kuai.zeros(2, 3, 4).movedim(0, -1).shape
        torch.Size([3, 4, 2])
    """
    ndim = len(shape_of(input))
    source, destination = _row(source), _row(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) "
            "should contain "
            f"the same number of dims as destination ({list(destination)} dims)"
        )
    sources = tuple(normalize_dim(dim, ndim) for dim in source)
    targets = tuple(normalize_dim(dim, ndim) for dim in destination)
    for name, given, dims in (("source", source, sources), ("destination", destination, targets)):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not ndim:
        return windows.permuted(input, ())
    order = [dim for dim in range(ndim) if dim not in sources]
    for target, dim in sorted(zip(targets, sources, strict=True)):
        order.insert(target, dim)
    return windows.permuted(input, tuple(order))


@composite(aliases=("resolve_neg",))
def resolve_conj(input):
    """The tensor itself: conjugation is never put off here."""
    return input


@method
@property
def T(self):
    """All dimensions in reverse order."""
    ndim = len(shape_of(self))
    if ndim != 2:
        _warn_of_0d("T", self) if not ndim else outdated.tell("T")
    return windows.permuted(self, tuple(reversed(range(ndim))))


@method
@property
def mT(self):
    """The last two dimensions swapped; a 0-d tensor stays itself."""
    _warn_of_0d("mT", self)
    return transpose(self, -2, -1) if _is_batch("mT", self) else self


@method
@property
def mH(self):
    """The last two dimensions swapped, and conjugated; a 0-d tensor stays itself."""
    _warn_of_0d("mH", self)
    return adjoint(self) if _is_batch("mH", self) else self


@method
@property
def H(self):
    """The matrix transposed and conjugated; a 0-d tensor stays itself."""
    _warn_of_0d("H", self)
    ndim = len(shape_of(self))
    if ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor. For "
            "batches of matrices, consider using tensor.mH"
        )
    return adjoint(self) if ndim else self


def _warn_of_0d(name, tensor):
    if not shape_of(tensor):
        advice = "Consider using x.conj()." if name == "H" else _IDENTITY
        warn_once(f"Tensor.{name} is deprecated on 0-D tensors. {advice}", stacklevel=3)


_IDENTITY = "This function is the identity in these cases."


def _is_batch(name, tensor) -> bool:
    ndim = len(shape_of(tensor))
    if ndim == 1:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return ndim > 1
