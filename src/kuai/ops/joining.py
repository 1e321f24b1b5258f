"""Joining and rearranging: results in a storage of their own."""

import math

import jax.numpy as jnp

from kuai.engine.concrete import concrete
from kuai.engine.door import Array, Sequence, composite, op
from kuai.engine.promotion import cast, result_dtype
from kuai.engine.tensor import Tensor
from kuai.ops import shaping
from kuai.ops.dimensions import broadcast_shapes, normalize_dim, normalize_dims
from kuai.ops.shaping import integers, shape_of


@op(method=False, aliases=("concat", "concatenate"))
def cat(tensors: Sequence[Array], dim: int = 0):
    """The tensors one after the other along an existing dimension.

    Example:
        >>> kuai.cat([kuai.tensor([1, 2]), kuai.tensor([3])])
        tensor([1, 2, 3])
    """
    if not tensors:
        raise RuntimeError("expected a non-empty list of Tensors")
    kept = [t for t in tensors if t.shape != (0,)] or tensors[:1]
    kind = result_dtype(*tensors)
    for number, tensor in enumerate(tensors):
        if not tensor.ndim:
            raise RuntimeError(
                f"zero-dimensional tensor (at position {number}) cannot be concatenated"
            )
    dim = normalize_dim(dim, kept[0].ndim)
    for tensor in kept:
        _check_joined(
            kept[0].shape, tensor.shape, dim, next(i for i, t in enumerate(tensors) if t is tensor)
        )
    return jnp.concatenate([cast(tensor, kind) for tensor in kept], dim)


def _check_joined(first, shape, dim, number):
    if len(shape) != len(first):
        raise RuntimeError(
            f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}"
        )
    for position, (wanted, found) in enumerate(zip(first, shape, strict=True)):
        if position != dim and wanted != found:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size {wanted} but got "
                f"size {found} for tensor number {number} in the list."
            )


@op(method=False)
def stack(tensors: Sequence[Array], dim: int = 0):
    """The tensors one after the other along a new dimension.

    Example:
        >>> kuai.stack([kuai.tensor([1, 2]), kuai.tensor([3, 4])], dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for number, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 "
                f"and {list(tensor.shape)} at entry {number}"
            )
    kind = result_dtype(*tensors)
    return jnp.stack([cast(t, kind) for t in tensors], normalize_dim(dim, tensors[0].ndim + 1))


def _at_least(needed, place):
    def grow(tensor):
        while len(shape_of(tensor)) < needed:
            tensor = shaping.unsqueeze(tensor, place(len(shape_of(tensor))))
        return tensor

    def atleast(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return grow(tensors[0])
        given = tensors[0] if len(tensors) == 1 else tensors
        return tuple(map(grow, given))

    atleast.__name__ = atleast.__qualname__ = f"atleast_{needed}d"
    atleast.__doc__ = f"Each tensor with at least {needed} dimension(s)."
    return composite(method=False)(atleast)


atleast_1d = _at_least(1, lambda ndim: 0)
atleast_2d = _at_least(2, lambda ndim: 0)
atleast_3d = _at_least(3, lambda ndim: 2 if ndim == 2 else 0)


@composite(method=False)
def hstack(tensors):
    """The tensors side by side: along dimension 1, vectors along 0.

    Example:
        >>> kuai.hstack([kuai.tensor([1]), kuai.tensor([2])])
        tensor([1, 2])
    """
    grown = atleast_1d(*tensors) if len(tensors) > 1 else (atleast_1d(tensors[0]),)
    return cat(grown, 0 if len(shape_of(grown[0])) == 1 else 1)


@composite(method=False, aliases=("row_stack",))
def vstack(tensors):
    """The tensors below each other.

    Example:
        >>> kuai.vstack([kuai.tensor([1, 2]), kuai.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    return cat(tuple(atleast_2d(tensor) for tensor in tensors), 0)


@composite(method=False)
def dstack(tensors):
    """The tensors behind each other, along dimension 2.

    Example:
        >>> kuai.dstack([kuai.tensor([1]), kuai.tensor([2])]).shape
        torch.Size([1, 1, 2])
    """
    return cat(tuple(atleast_3d(tensor) for tensor in tensors), 2)


@composite(method=False)
def column_stack(tensors):
    """The tensors as columns of a matrix.

    Example:
        >>> kuai.column_stack([kuai.tensor([1, 2]), kuai.tensor([3, 4])])
        tensor([[1, 3],
                [2, 4]])
    """
    columns = [shaping.reshape(t, (-1, 1)) if len(shape_of(t)) < 2 else t for t in tensors]
    return hstack(columns)


# Repetition ---------------------------------------------------------------------------------------


@op(function=False, method=False, grad="RepeatBackward0")
def repeated(input: Array, repeats: tuple):
    """The tensor tiled."""
    return jnp.tile(input, repeats)


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
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
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
    return repeated(input, (1,) * (len(shape_of(input)) - len(dims)) + dims)


@op(function=False, method=False, grad="RepeatInterleaveBackward0")
def interleaved(input: Array, repeats: Array, dim: int, total: int):
    """Each element repeated on its own."""
    return jnp.repeat(input, repeats, dim, total_repeat_length=total)


@op(function=False, method=False, grad="RepeatInterleaveBackward0")
def interleaved_evenly(input: Array, repeats: int, dim: int):
    """Each element repeated equally often."""
    return jnp.repeat(input, repeats, dim)


@composite
def repeat_interleave(input, repeats, dim=None, *, output_size=None):
    """Each element repeated before the next one.

    Example:
        >>> kuai.tensor([1, 2]).repeat_interleave(2)
        tensor([1, 1, 2, 2])
        >>> kuai.tensor([1, 2]).repeat_interleave(kuai.tensor([1, 3]))
        tensor([1, 2, 2, 2])
    """
    if dim is None:
        input, dim = shaping.ravel(input), 0
    dim = normalize_dim(dim, len(shape_of(input)))
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        return interleaved_evenly(input, repeats, dim)
    length = shape_of(input)[dim]
    if shape_of(repeats) not in ((), (1,), (length,)):
        raise RuntimeError("repeats must have the same size as input along dim")
    repeats = shaping.expand(repeats, (length,))
    total = output_size
    if total is None:
        total = int(concrete(repeats, "repeat_interleave() without output_size").sum())
    return interleaved(input, repeats, dim, total)


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
    return jnp.rot90(input, k, tuple(normalize_dim(d, input.ndim) for d in dims))


@op
def roll(input: Array, shifts: tuple, dims: tuple = ()):
    """Elements moved along dimensions; what falls off comes back at the other end.

    Example:
        >>> kuai.arange(4).roll(1)
        tensor([3, 0, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    dims = (dims,) if isinstance(dims, int) else dims or ()
    if not dims and len(shifts) == 1:
        return jnp.roll(input.ravel(), shifts[0]).reshape(input.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    return jnp.roll(input, shifts, tuple(normalize_dim(d, input.ndim) for d in dims))


# Triangles and diagonals --------------------------------------------------------------------------


@op(inplace=True)
def tril(input: Array, diagonal: int = 0):
    """The lower triangle; zeros above the `diagonal`-th diagonal.

    Example:
        >>> kuai.ones(2, 2).tril()
        tensor([[1., 0.],
                [1., 1.]])
    """
    _check_matrix(input, "tril")
    return jnp.tril(input, diagonal)


@op(inplace=True)
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


@composite
def diag(input, diagonal=0):
    """A matrix with the vector as its diagonal, or a matrix's diagonal as a vector (a copy).

    Example:
        >>> kuai.diag(kuai.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    ndim = len(shape_of(input))
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return diag_embed(input, diagonal) if ndim == 1 else clone(shaping.diagonal(input, diagonal))


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
    return blocks_on_diagonal(tensors)


@op(function=False, method=False, grad="BlockDiagBackward0")
def blocks_on_diagonal(tensors: Sequence[Array]):
    """Matrices along the diagonal of a larger one."""
    kind = result_dtype(*tensors)
    blocks = [cast(jnp.atleast_2d(tensor), kind) for tensor in tensors]
    made = jnp.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)), kind)
    row = column = 0
    for block in blocks:
        made = made.at[row : row + block.shape[0], column : column + block.shape[1]].set(block)
        row, column = row + block.shape[0], column + block.shape[1]
    return made


# Grids --------------------------------------------------------------------------------------------


@composite(method=False)
def broadcast_tensors(*tensors):
    """All tensors expanded to the shape they have together.

    Example:
        >>> a, b = kuai.broadcast_tensors(kuai.zeros(2, 1), kuai.zeros(3))
        >>> a.shape, b.shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    given = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    shape = broadcast_shapes(*map(shape_of, given))
    return tuple(shaping.expand(tensor, shape) for tensor in given)


@composite(method=False)
def meshgrid(*tensors, indexing="ij"):
    """The coordinates of a grid, one tensor for each vector.

    Example:
        >>> rows, columns = kuai.meshgrid(kuai.tensor([1, 2]), kuai.tensor([3, 4]), indexing="ij")
        >>> rows
        tensor([[1, 1],
                [2, 2]])

    Differs from PyTorch: leaving out `indexing` gives no warning.
    """
    given = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    vectors = [shaping.reshape(tensor, (-1,)) for tensor in given]
    swap = indexing == "xy" and len(vectors) > 1
    if swap:
        vectors[:2] = vectors[1::-1]
    shape, count = tuple(math.prod(shape_of(v)) for v in vectors), len(vectors)
    spread = [
        shaping.expand(shaping.view(v, *(-1 if d == n else 1 for d in range(count))), shape)
        for n, v in enumerate(vectors)
    ]
    if swap:
        spread[:2] = spread[1::-1]
    return tuple(spread)


@composite(method=False)
def cartesian_prod(*tensors):
    """All combinations of the elements of vectors, one a row.

    Example:
        >>> kuai.cartesian_prod(kuai.tensor([1, 2]), kuai.tensor([3, 4])).shape
        torch.Size([4, 2])
    """
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return stack([shaping.reshape(grid, (-1,)) for grid in grids], 1)


# Copies -------------------------------------------------------------------------------------------


@op(function=False, method=False, grad="CloneBackward0")
def cloned(input: Array):
    """The same values in a storage of their own."""
    return input


@composite
def clone(input, *, memory_format=None):
    """A copy that gradients flow through.

    Example:
        >>> x = kuai.zeros(2)
        >>> y = x.clone()
        >>> y[0] = 1
        >>> x
        tensor([0., 0.])
    """
    input._storage.exclusive = False  # both storages hold the same immutable array now
    return cloned(input)
