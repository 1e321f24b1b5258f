"""Joining and rearranging: results in a storage of their own."""

import itertools
import math

import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, Sequence, composite, op
from kuai.engine.op.exact_out import JOINED
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.overriding import named
from kuai.engine.tensor.promotion import cast, result_dtype
from kuai.ops import outdated
from kuai.ops.array import selecting, shaping
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import broadcast_shapes, normalize_dim


@op(method=False, aliases=("concat", "concatenate"), autocast={"cpu": "widest"}, exact_out=JOINED)
def cat(tensors: Sequence[Array], dim: int = 0):
    """The tensors one after the other along an existing dimension.

    Example:
        >>> kuai.cat([kuai.tensor([1, 2]), kuai.tensor([3])])
        tensor([1, 2, 3])
    """
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
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
                f"Sizes of tensors must match except in dimension {dim}. Expected size "
                f"{wanted} but got "
                f"size {found} for tensor number {number} in the list."
            )


@op(method=False, autocast={"cpu": "widest"}, exact_out=JOINED)
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
                "stack expects each tensor to be equal size, but got "
                f"{list(tensors[0].shape)} at entry 0 "
                f"and {list(tensor.shape)} at entry {number}"
            )
    kind = result_dtype(*tensors)
    return jnp.stack([cast(t, kind) for t in tensors], normalize_dim(dim, tensors[0].ndim + 1))


def _at_least(name, needed, place):
    def grow(tensor):
        while len(shape_of(tensor)) < needed:
            tensor = shaping.unsqueeze(tensor, place(len(shape_of(tensor))))
        return tensor

    def atleast(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return grow(tensors[0])
        given = tensors[0] if len(tensors) == 1 else tensors
        return tuple(map(grow, given))

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = f"Each tensor with at least {needed} dimension(s)."
    return composite(export=name)(atleast)


atleast_1d = _at_least("atleast_1d", 1, lambda ndim: 0)
atleast_2d = _at_least("atleast_2d", 2, lambda ndim: 0)
atleast_3d = _at_least("atleast_3d", 3, lambda ndim: 2 if ndim == 2 else 0)


def _refuse_nothing(name, tensors):
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@composite(method=False, exact_out=JOINED)
def hstack(tensors):
    """The tensors side by side: along dimension 1, vectors along 0.

    Example:
        >>> kuai.hstack([kuai.tensor([1]), kuai.tensor([2])])
        tensor([1, 2])
    """
    _refuse_nothing("hstack", tensors)
    grown = atleast_1d(*tensors) if len(tensors) > 1 else (atleast_1d(tensors[0]),)
    return cat(grown, 0 if len(shape_of(grown[0])) == 1 else 1)


@composite(method=False, aliases=("row_stack",), exact_out=JOINED)
def vstack(tensors):
    """The tensors below each other.

    Example:
        >>> kuai.vstack([kuai.tensor([1, 2]), kuai.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    _refuse_nothing("vstack", tensors)
    return cat(tuple(atleast_2d(tensor) for tensor in tensors), 0)


@composite(method=False, exact_out=JOINED)
def dstack(tensors):
    """The tensors behind each other, along dimension 2.

    Example:
        >>> kuai.dstack([kuai.tensor([1]), kuai.tensor([2])]).shape
        torch.Size([1, 1, 2])
    """
    _refuse_nothing("dstack", tensors)
    return cat(tuple(atleast_3d(tensor) for tensor in tensors), 2)


@composite(method=False, exact_out=JOINED)
def column_stack(tensors):
    """The tensors as columns of a matrix.

    Example:
        >>> kuai.column_stack([kuai.tensor([1, 2]), kuai.tensor([3, 4])])
        tensor([[1, 3],
                [2, 4]])
    """
    columns = [shaping.reshape(t, (-1, 1)) if len(shape_of(t)) < 2 else t for t in tensors]
    return hstack(columns)


# Grids --------------------------------------------------------------------------------------------


@composite(method=False)
def combinations(input, r=2, with_replacement=False):
    """All combinations of `r` elements of a vector, one a row.

    Example:
        >>> kuai.combinations(kuai.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    if len(shape_of(input)) != 1:
        raise RuntimeError("Expect a 1D vector, but got shape " + str(list(shape_of(input))))
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input[:0]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(shape_of(input)[0]), r)), np.int64).reshape(-1, r)
    return input[rows]


def _together(tensors):
    """Tensors that were given one by one, or as a list."""
    is_list = len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
    given = tensors[0] if is_list else tensors
    for number, each in enumerate(given):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"expected Tensor as element {number} in argument 0, but got {named(type(each))}"
            )
    return given


@composite(method=False)
def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """All tensors expanded to the shape they have together.

    Example:
        >>> a, b = kuai.broadcast_tensors(kuai.zeros(2, 1), kuai.zeros(3))
        >>> a.shape, b.shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    given = _together(tensors)
    shape = broadcast_shapes(*map(shape_of, given))
    return tuple(t if shape_of(t) == shape else selecting.expand(t, shape) for t in given)


@composite(method=False)
def meshgrid(*tensors, indexing=None) -> tuple[Tensor, ...]:
    """The coordinates of a grid, one tensor for each vector.

    Example:
        >>> rows, columns = kuai.meshgrid(kuai.tensor([1, 2]), kuai.tensor([3, 4]), indexing="ij")
        >>> rows
        tensor([[1, 1],
                [2, 2]])
    """
    given = _together(tensors)
    if indexing is None:
        outdated.tell("meshgrid")
        indexing = "ij"
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for tensor in given:
        if len(shape_of(tensor)) > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: "
                f"{list(shape_of(tensor))}"
            )
    vectors = [shaping.reshape(tensor, (-1,)) for tensor in given]
    swap = indexing == "xy" and len(vectors) > 1
    if swap:
        vectors[:2] = vectors[1::-1]
    shape, count = tuple(math.prod(shape_of(v)) for v in vectors), len(vectors)
    spread = [
        selecting.expand(shaping.view(v, *(-1 if d == n else 1 for d in range(count))), shape)
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
    for tensor in _together(tensors):
        if len(shape_of(tensor)) != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(shape_of(tensor))}")
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
    return cloned(input)
