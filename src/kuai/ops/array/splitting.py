"""Splitting: one tensor as several views of it."""

from typing import Any

from kuai.engine.op import composite
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.size import whole
from kuai.ops.array import windows
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import normalize_dim
from kuai.ops.known_values import INTEGERS


def _pieces(tensor, dim, sizes, window=windows.split_off):
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    pairs = zip(starts, sizes, strict=True)
    return tuple(window(tensor, dim, start, size, 1) for start, size in pairs)


def _checked(tensor, dim, name):
    shape = shape_of(tensor)
    if not shape:
        text = (
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
            if name == "tensor_split"
            else f"{name} expects at least a 1-dimensional tensor"
        )
        raise RuntimeError(text)
    return normalize_dim(dim, len(shape)), shape[normalize_dim(dim, len(shape))]


@composite(aliases=("unsafe_split",))
def split(tensor, split_size_or_sections, dim=0) -> tuple[Tensor, ...]:
    """Parts of a given size (the last may be smaller), or of given sizes.

    Example:
        >>> kuai.arange(5).split(2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    dim, length = _checked(tensor, dim, "split")
    size = split_size_or_sections
    if isinstance(size, (list, tuple)):
        return split_with_sizes(tensor, size, dim)
    size = whole(size)
    if size < 0 or (size == 0 and length):
        text = "split_size can only be 0 if dimension size is 0, but got dimension size of"
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        raise RuntimeError(f"{text} {length}")
    if not length:
        return _pieces(tensor, dim, [0])
    return _pieces(tensor, dim, [min(size, length - start) for start in range(0, length, size)])


@composite(aliases=("unsafe_split_with_sizes",))
def split_with_sizes(input, split_sizes, dim=0) -> tuple[Tensor, ...]:
    """Parts of the given sizes.

    Example:
        >>> kuai.arange(3).split_with_sizes([1, 2])
        (tensor([0]), tensor([1, 2]))
    """
    dim, length = _checked(input, dim, "split")
    sizes = [int(size) for size in split_sizes]
    if any(size < 0 for size in sizes):
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={sizes}"
        )
    if sum(sizes) != length:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {length} (input "
            "tensor's size at "
            f"dimension {dim}), but got split_sizes={sizes}"
        )
    return _pieces(input, dim, sizes)


@composite(aliases=("unsafe_chunk",))
def chunk(input, chunks, dim=0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size (the last may be smaller).

    Example:
        >>> kuai.arange(5).chunk(2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    (dim, length), chunks = _checked(input, dim, "chunk"), whole(chunks)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not length:
        return _pieces(input, dim, [0] * chunks)
    return split(input, -(-length // chunks), dim)


@composite
def tensor_split(input, indices_or_sections, dim=0) -> tuple[Tensor, ...]:
    """Exactly that many parts, as equal as possible, or parts between the given indices.

    Example:
        >>> kuai.arange(5).tensor_split(3)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    dim, length = _checked(input, dim, "tensor_split")
    wanted = indices_or_sections
    if isinstance(wanted, Tensor):
        if wanted.dtype.name != "int64":
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                + scalar_name(wanted.dtype.jax)
            )
        if wanted.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                f"one-dimensional tensor, but got a tensor with {wanted.ndim} dims"
            )
        wanted = concrete(wanted, "tensor_split()").tolist()
    if isinstance(wanted, INTEGERS):
        if wanted <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {wanted}")
        least, more = divmod(length, wanted)
        sizes = [least + 1] * more + [least] * (wanted - more)
        return _pieces(input, dim, sizes, windows.sliced)
    ends = [min(max(i + length if i < 0 else i, 0), length) for i in wanted]
    pairs = zip([0, *ends], [*ends, length], strict=True)
    return tuple(windows.sliced(input, dim, a, max(b - a, 0), 1) for a, b in pairs)


@composite
def unbind(input, dim=0) -> tuple[Tensor, ...]:
    """The slices along a dimension, which goes away.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]]).unbind(1)
        (tensor([1, 3]), tensor([2, 4]))
    """
    shape = shape_of(input)
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = normalize_dim(dim, len(shape))
    return tuple(windows.unbound(input, dim, index) for index in range(shape[dim]))


def _along(name, needed, dim_of):
    def splitter(input, *indices_or_sections) -> tuple[Tensor, ...]:
        given = indices_or_sections
        sections: Any = given[0] if len(given) == 1 else given
        if not given or not isinstance(sections, (*INTEGERS, list, tuple)):
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got "
                f"(Tensor, {type(sections).__name__})"
            )
        ndim = len(shape_of(input))
        if ndim < needed:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {needed} dimension, but got a "
                f"tensor with {ndim} dimensions!"
            )
        dim = dim_of(ndim)
        length = shape_of(input)[dim]
        if isinstance(sections, INTEGERS) and (sections == 0 or length % sections):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                "dimension "
                f"{length} is not divisible by the split_size {sections}!"
            )
        return tensor_split(input, sections, dim)

    splitter.__name__ = splitter.__qualname__ = name
    splitter.__doc__ = f"`tensor_split` along the dimension that `{name}` stands for."
    return composite(export=(name, f"Tensor.{name}"))(splitter)


hsplit = _along("hsplit", 1, lambda ndim: 0 if ndim == 1 else 1)
vsplit = _along("vsplit", 2, lambda ndim: 0)
dsplit = _along("dsplit", 3, lambda ndim: 2)
