"""Rearranging: repetition, reversed and rolled orders, triangles and diagonals."""

import functools
import math

import jax.numpy as jnp

from kuai.engine.op import Array, Sequence, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import cast, result_dtype, scalar_name
from kuai.ops.accumulation import in_wide
from kuai.ops.array import creation, selecting, sequences, shaping
from kuai.ops.array.joining import clone
from kuai.ops.array.shaping import integers, shape_of
from kuai.ops.dimensions import normalize_dim, normalize_dims
from kuai.ops.known_values import INTEGERS, check_sizes, known, lie_within

# Repetition ---------------------------------------------------------------------------------------


@op(function=False, method=False, grad="RepeatBackward0")
def repeated(input: Array, repeats: tuple):
    """The tensor tiled."""
    return in_wide(lambda wide: jnp.tile(wide, repeats), input)


@composite(function=False)
def repeat(self, *repeats):
    """The tensor repeated so many times along each dimension.

    Example:
        >>> kuai.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    repeats = integers(repeats)
    if len(repeats) < len(shape_of(self)):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of "
            "dimensions of tensor"
        )
    if any(type(count) is int and count < 0 for count in repeats):
        new = len(repeats) - len(shape_of(self))
        sizes = zip((*(1,) * new, *shape_of(self)), repeats, strict=True)
        check_sizes([size * count for size, count in sizes])
    return repeated(self, repeats)


@composite
def tile(input, *dims):
    """As `repeat`; missing leading numbers count as 1.

    Example:
        >>> kuai.tensor([[1], [2]]).tile(2)
        tensor([[1, 1],
                [2, 2]])
    """
    dims = integers(dims)
    return repeat(input, (1,) * (len(shape_of(input)) - len(dims)) + dims)


@op(function=False, method=False, grad="RepeatInterleaveBackward0")
def interleaved(input: Array, repeats: Array, dim: int, total: int):
    """Each element repeated on its own."""
    repeat = functools.partial(jnp.repeat, repeats=repeats, axis=dim, total_repeat_length=total)
    return in_wide(repeat, input)


@op(function=False, method=False, grad="RepeatInterleaveBackward0")
def interleaved_evenly(input: Array, repeats: int, dim: int):
    """Each element repeated equally often."""
    return in_wide(lambda wide: jnp.repeat(wide, repeats, dim), input)


@composite
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element repeated before the next one.

    Example:
        >>> kuai.tensor([1, 2]).repeat_interleave(2)
        tensor([1, 1, 2, 2])
        >>> kuai.tensor([1, 2]).repeat_interleave(kuai.tensor([1, 3]))
        tensor([1, 2, 2, 2])
        >>> kuai.repeat_interleave(kuai.tensor([2, 0, 1]))  # these are the repeats
        tensor([0, 0, 2])
    """
    if repeats is None:
        if input.dtype.name not in ("int64", "int32"):
            _refuse_repeats(input)
        if input.ndim != 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        input, repeats = sequences.arange(input.shape[0], dtype=input.dtype), input
    if dim is None:
        input, dim = shaping.ravel(input), 0
    dim = normalize_dim(dim, len(shape_of(input)))
    if isinstance(repeats, INTEGERS):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        return interleaved_evenly(input, repeats, dim)
    length = shape_of(input)[dim]
    if shape_of(repeats) not in ((), (1,), (length,)):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{shape_of(repeats)[0]} and input.size({dim}) = {length}"
        )
    if repeats.dtype.name not in ("int64", "int32"):
        _refuse_repeats(repeats)
    if not lie_within(repeats, 0, math.inf):
        raise RuntimeError("repeats can not be negative")
    repeats = selecting.expand(repeats, (length,))
    total = output_size
    if total is None:
        total = int(concrete(repeats, "repeat_interleave() without output_size").sum())
    elif (given := known(repeats)) is not None and total != given.sum():
        raise RuntimeError("allocated size does not match required size")
    return interleaved(input, repeats, dim, total)


def _refuse_repeats(repeats):
    name = scalar_name(repeats.dtype.jax)
    raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{name}'")


# Order of the elements ----------------------------------------------------------------------------


@op(function=False, method=False, grad="FlipBackward0")
def flipped(input: Array, dims: tuple):
    """The order along dimensions reversed."""
    return jnp.flip(input, dims)


@composite
def flip(input, *dims):
    """The order of the elements along some dimensions reversed.

    Example:
        >>> kuai.arange(3).flip(0)
        tensor([2, 1, 0])
    """
    dims = integers(dims)
    return flipped(input, normalize_dims(dims, len(shape_of(input))) if dims else ())


@composite
def fliplr(input):
    """Left and right exchanged.

    Example:
        >>> kuai.tensor([[1, 2]]).fliplr()
        tensor([[2, 1]])
    """
    if len(shape_of(input)) < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@composite
def flipud(input):
    """Up and down exchanged.

    Example:
        >>> kuai.tensor([1, 2]).flipud()
        tensor([2, 1])
    """
    if len(shape_of(input)) < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


@op
def rot90(input: Array, k: int = 1, dims: tuple = (0, 1)):
    """Turned by 90 degrees, `k` times, from the first towards the second dimension.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]]).rot90()
        tensor([[2, 4],
                [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    first, second = (normalize_dim(d, input.ndim) for d in dims)
    if first == second:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    return jnp.rot90(input, k, (first, second))


@op
def roll(input: Array, shifts: tuple, dims: tuple = ()):
    """Elements moved along dimensions; what falls off comes back at the other end.

    Example:
        >>> kuai.arange(4).roll(1)
        tensor([3, 0, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    dims = (dims,) if isinstance(dims, int) else dims or ()
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return jnp.roll(input.ravel(), shifts[0]).reshape(input.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    return jnp.roll(input, shifts, tuple(normalize_dim(d, input.ndim) for d in dims))


# Triangles and diagonals --------------------------------------------------------------------------


@op(inplace=True, exact_out=SAME)
def tril(input: Array, diagonal: int = 0):
    """The lower triangle; zeros above the `diagonal`-th diagonal.

    Example:
        >>> kuai.ones(2, 2).tril()
        tensor([[1., 0.],
                [1., 1.]])
    """
    _check_matrix(input, "tril")
    return jnp.tril(input, diagonal)


@op(inplace=True, exact_out=SAME)
def triu(input: Array, diagonal: int = 0):
    """The upper triangle; zeros below the `diagonal`-th diagonal.

    Example:
        >>> kuai.ones(2, 2).triu(1)
        tensor([[0., 1.],
                [0., 0.]])
    """
    _check_matrix(input, "triu")
    return jnp.triu(input, diagonal)


def _check_matrix(input, name):
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")


@op
def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1):
    """The last dimension as the diagonal of new matrices.

    Example:
        >>> kuai.tensor([1, 2]).diag_embed()
        tensor([[1, 0],
                [0, 2]])
    """
    ndim = input.ndim + 1
    first, second = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    length = input.shape[-1]
    width, places = length + abs(offset), jnp.arange(length)
    made = jnp.zeros((*input.shape[:-1], width, width), input.dtype)
    made = made.at[..., places + max(-offset, 0), places + max(offset, 0)].set(input)
    return jnp.moveaxis(made, (-2, -1), (first, second))


@composite(exact_out=SAME)
def diag(input, diagonal=0):
    """A matrix with the vector as its diagonal, or a matrix's diagonal as a vector (a copy).

    Example:
        >>> kuai.diag(kuai.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    ndim = len(shape_of(input))
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return diag_embed(input, diagonal) if ndim == 1 else clone(selecting.diagonal(input, diagonal))


@composite
def diagflat(input, offset=0):
    """A matrix with all elements of the input as its diagonal.

    Example:
        >>> kuai.diagflat(kuai.tensor([[1, 2]]))
        tensor([[1, 0],
                [0, 2]])
    """
    return diag_embed(shaping.ravel(input), offset)


@composite(method=False)
def block_diag(*tensors):
    """Matrices along the diagonal of a larger one.

    Example:
        >>> kuai.block_diag(kuai.tensor([[1]]), kuai.tensor([[2, 3]]))
        tensor([[1, 0, 0],
                [0, 2, 3]])
    """
    return blocks_on_diagonal(tensors) if tensors else creation.empty(1, 0)


@op(function=False, method=False, grad="BlockDiagBackward0")
def blocks_on_diagonal(tensors: Sequence[Array]):
    """Matrices along the diagonal of a larger one."""
    for number, tensor in enumerate(tensors):
        if tensor.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{number} has {tensor.ndim} dimensions"
            )
    kind = result_dtype(*tensors)
    blocks = [cast(jnp.atleast_2d(tensor), kind) for tensor in tensors]
    made = jnp.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)), kind)
    row = column = 0
    for block in blocks:
        made = made.at[row : row + block.shape[0], column : column + block.shape[1]].set(block)
        row, column = row + block.shape[0], column + block.shape[1]
    return made
