"""Indexing: `x[...]` and `x[...] = y`, as PyTorch does them.

An index is taken apart once. Integers, slices, `None` and `...` make one window on the storage (a
view); its integers and starts are traced, so `x[0]`, `x[1]`, … are the same program. Tensors,
lists and arrays then gather from that window. Unlike in NumPy, integers beside tensors are
selected first.

A bool mask gives a result whose size depends on its values; it is turned into integers outside of
the program. Writing a number through a mask needs no size and stays inside.
"""

import math
import numbers

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd import inplace
from kuai.engine.op import Array, Number, Sequence, op
from kuai.engine.tensor import Tensor, from_array, method, shared
from kuai.engine.tensor.concrete import concrete, is_concrete
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.overriding import ACTIVE, NOBODY, ask, is_of_the_real_torch, named
from kuai.engine.tensor.promotion import cast, scalar_name
from kuai.engine.tensor.warning_once import warn_of_imaginary_parts
from kuai.ops.accumulation import in_wide, spread
from kuai.ops.array import shaping
from kuai.ops.array.index_plan import (
    FULL,
    check_index_dtype,
    is_mask,
    is_whole,
    opened,
    row,
    rows_plan,
    select_window,
    slice_window,
    step_of,
    take_apart,
)
from kuai.ops.array.numpy_arrays import gathered_in_memory
from kuai.ops.array.replacing import replaced_at
from kuai.ops.array.shaping import shape_of
from kuai.ops.array.window_writing import write_window
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.known_values import check_written, is_looked_at, lie_within

# Reading ------------------------------------------------------------------------------------------


def get_item(self, index):
    """`self[index]`: a view for integers, slices, `None`, `...`; a copy for tensors, lists."""
    if ACTIVE and (answer := ask(Tensor.__getitem__, (self, index), {})) is not NOBODY:
        return answer
    if type(index) is int:
        made = row(self, index)
        if made is not None:
            return made
        size = shape_of(self)
        if size and -size[0] <= index < size[0]:
            number = index + size[0] if index < 0 else index
            return select_window(self, rows_plan(len(size)), (number,))
    if type(index) is slice and index.step is None and type(index.start) is type(index.stop) is int:
        size = shape_of(self)
        start, stop, _ = index.indices(size[0] if size else 0)
        if 0 < stop - start < size[0]:
            plan = ((stop - start, 1), *((),) * (len(size) - 1))
            return slice_window(self, plan, (start,))
    plan, numbers, gathers = take_apart(self, index)
    if all(gather is None for gather in gathers):
        return (
            opened(self, plan, numbers)
            if type(index) is not slice
            else slice_window(self, plan, numbers)
        )
    window = self if is_whole(plan) else opened(self, plan, numbers)
    places, indices = integer_indices(window, gathers)
    found = gathered_in_memory(window, places, indices)
    return gathered(window, places, indices) if found is None else found


def integer_indices(window, gathers):
    """Which dimensions are indexed, and with which integer tensors; masks become integers."""
    shape, places, indices, dim = shape_of(window), [], [], 0
    for gather in gathers:
        if gather is None:
            dim += 1
            continue
        check_index_dtype(gather)
        if is_mask(gather):
            _check_mask(gather, shape, dim)
            found = np.nonzero(concrete(gather, "boolean indexing"))
            parts = [from_array(part, gather.device) for part in found]
        else:
            parts = [gather]
            _check_bounds(gather, dim, shape[dim])
        places += range(dim, dim + len(parts))
        indices += parts
        dim += len(parts)
    _check_together(indices)
    return tuple(places), indices


def _check_mask(mask, shape, dim):
    for offset, size in enumerate(shape_of(mask)):
        if size != shape[dim + offset]:
            raise IndexError(
                f"The shape of the mask {list(shape_of(mask))} at index {offset} does not "
                "match the "
                f"shape of the indexed tensor {list(shape)} at index {dim + offset}"
            )


def _check_bounds(index, dim, size):
    check_range(index, size, "index {} is out of bounds for dimension " + f"{dim} with size {size}")


def check_range(index, size, text, error=IndexError):
    """Refuse indices beyond the end, where looking at them does not make a device wait."""
    if not is_concrete(index) or index.device.type != "cpu" or not math.prod(shape_of(index)):
        return
    if is_looked_at(index) and lie_within(index, -size, size - 1):
        return
    array = concrete(index, "an index")
    low, high = int(array.min()), int(array.max())
    if low < -size or high >= size:
        raise error(text.format(low if low < -size else high))


def _check_together(indices):
    try:
        broadcast_shapes(*map(shape_of, indices))
    except RuntimeError:
        shapes = ", ".join(str(list(shape_of(index))) for index in indices)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None


def wrapped(index, size):
    """Indices counted from the front."""
    return jnp.where(index < 0, index + size, index)


def _spots(shape, places, indices):
    arriving = iter(indices)
    return tuple(
        wrapped(next(arriving), size) if dim in places else FULL for dim, size in enumerate(shape)
    )


@op(function=False, method=False, grad="IndexBackward0")
def gathered(input: Array, places: tuple, indices: Sequence[Array]):
    """The elements at integer indices of some dimensions."""
    spots = _spots(input.shape, places, indices)
    return in_wide(lambda wide: wide.at[spots].get(mode="clip"), input)


gathered.operation.takes_indices = True


# Writing ------------------------------------------------------------------------------------------


def set_item(self, index, value):
    """`self[index] = value`: broadcasts `value` and casts it, and writes it into the storage."""
    if ACTIVE and ask(Tensor.__setitem__, (self, index, value), {}) is not NOBODY:
        return
    if index is False:
        _source(self, value)
        return  # nothing is written, whatever its shape
    plan, numbers, gathers = take_apart(self, None if index is True else index)
    source, is_window = _source(self, value), all(gather is None for gather in gathers)
    if is_window and not is_whole(plan):
        pure = (copied if isinstance(source, Tensor) else filled).operation.pure
        if write_window(self, step_of(plan, numbers), source, pure):
            return
    window = self if is_whole(plan) else opened(self, plan, numbers)
    if is_window:
        fill(window, source)
        return
    with shared.still((self,)):
        _write_some(window, gathers, source)


def _write_some(window, gathers, source):
    if _fills_mask(window, gathers, source):
        mask = _aligned(window, gathers)
        inplace.overwrite(window, filled_where(window, mask, source), "masked_fill_")
    else:
        _put(window, gathers, source)


def _source(target, value):
    if isinstance(value, (bool, int, float, complex)):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("Overflow when unpacking long long")
        check_written(value, target.dtype.jax)
    if isinstance(value, (Tensor, bool, int, float, complex)):
        return value
    if isinstance(value, (numbers.Number, np.generic)):
        return value.item() if isinstance(value, np.generic) else value
    kind = scalar_name(target.dtype.jax)
    raise TypeError(f"can't assign {_article(type(value))} to a torch.{kind}Tensor")


def _article(kind):
    return named(kind) if is_of_the_real_torch(kind) else f"a {named(kind)}"


def fill(target, source):
    """Broadcast, cast and write a tensor or number into a tensor."""
    if not isinstance(source, Tensor):
        check_written(source, target.dtype.jax)
        return inplace.overwrite(target, filled(target, source), inplace.ONE_NUMBER)
    made = inplace.overwrite(target, copied(target, source))
    if source.dtype is not target.dtype:
        warn_of_imaginary_parts(source.dtype.jax, target.dtype.jax, stacklevel=4)
    return made


def _fills_mask(window, gathers, source):
    given = [gather for gather in gathers if gather is not None]
    single = len(given) == 1 and is_mask(given[0])
    return single and (not isinstance(source, Tensor) or math.prod(shape_of(source)) == 1)


def _aligned(window, gathers):
    """The mask with as many dimensions as the window."""
    shape, dim = shape_of(window), 0
    for gather in gathers:
        if gather is not None:
            _check_mask(gather, shape, dim)
            after = len(shape) - dim - gather.ndim
            return shaping.reshape(gather, (*shape_of(gather), *(1,) * after))
        dim += 1
    return None


def _put(window, gathers, source):
    places, indices = integer_indices(window, gathers)
    check_source(window, places, indices, source)
    made = replaced(window, places, indices, source, False)
    inplace.overwrite(window, made, "index_put_")


def check_source(target, places, indices, source):
    """PyTorch's errors for writing a tensor of another dtype through an index of tensors."""
    if isinstance(source, Tensor) and source.dtype is not target.dtype:
        _check_broadcast(shape_of(source), _indexed_shape(shape_of(target), places, indices))
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{scalar_name(target.dtype.jax)} for the destination and "
            f"{scalar_name(source.dtype.jax)} for the source."
        )


def _indexed_shape(shape, places, indices):
    """The shape of what some dimensions are indexed with integers for."""
    found = tuple(broadcast_shapes(*map(shape_of, indices)))
    together = not places or places == tuple(range(places[0], places[-1] + 1))
    front = places[0] if places and together else 0
    rest = [size for dim, size in enumerate(shape) if dim not in places]
    return (*rest[:front], *found, *rest[front:])


def _check_broadcast(shape, wanted):
    while len(shape) > len(wanted) and shape[0] == 1:
        shape = shape[1:]
    pairs = zip(shape[::-1], wanted[::-1], strict=False)
    if len(shape) > len(wanted) or any(n not in (1, size) for n, size in pairs):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(shape)} cannot be broadcast to indexing "
            f"result of shape {list(wanted)}"
        )


@op(function=False, method=False, grad="CopyBackwards")
def filled(input: Array, value: Number):
    """The shape and dtype of the input, with one value everywhere."""
    if value.dtype.kind == "c" and input.dtype.kind not in "cb":
        raise RuntimeError("value cannot be converted to type float without overflow")
    return jnp.full(input.shape, cast(value, input.dtype))


@op(function=False, method=False, grad="CopyBackwards")
def copied(input: Array, source: Array):
    """The source, broadcast to the shape of the input and in its dtype."""
    shape = source.shape
    while len(shape) > input.ndim and shape[0] == 1:
        shape = shape[1:]
    _check_expandable(shape, input.shape, scalar_name(source.dtype))
    return spread(cast(source, input.dtype).reshape(shape), input.shape)


copied.operation.copies = True


def _check_expandable(shape, target, kind):
    new = len(target) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand(torch.{kind}Tensor{{{list(shape)}}}, size={list(target)}): the number of "
            f"sizes provided ({len(target)}) must be greater or equal to the number of dimensions "
            f"in the tensor ({len(shape)})"
        )
    for dim in range(len(target) - 1, new - 1, -1):
        if shape[dim - new] not in (1, target[dim]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[dim]}) must match the existing size "
                f"({shape[dim - new]}) at non-singleton dimension {dim}.  Target sizes: "
                f"{list(target)}.  Tensor sizes: {list(shape)}"
            )


@op(function=False, method=False, grad="MaskedFillBackward0")
def filled_where(input: Array, mask: Array, value: Array | Number):
    """One value where the mask is true."""
    value = cast(value, input.dtype).reshape(())
    mask = mask.astype(bool)
    shape = broadcast_shapes(mask.shape, input.shape)
    return jnp.where(mask, spread(value, shape), spread(input, shape))


filled_where.operation.takes_indices = True


@op(function=False, method=False, grad="IndexPutBackward0")
def replaced(
    input: Array, places: tuple, indices: Sequence[Array], values: Array | Number, add: bool
):
    """The input with values at integer indices of some dimensions, replaced or added."""
    spots = _spots(input.shape, places, indices)
    shape = jnp.shape(values)
    wanted = jax_shape(input, spots)
    while len(shape) > len(wanted) and shape[0] == 1:
        shape = shape[1:]
    _check_broadcast(shape, wanted)
    values = spread(cast(values, input.dtype).reshape(shape), wanted)
    if not add:
        whole = tuple(None if dim not in places else spot for dim, spot in enumerate(spots))
        return replaced_at(input, whole, values)
    if input.dtype == jnp.bool_:
        return input.at[spots].max(values, mode="drop")
    return in_wide(lambda wide: wide.at[spots].add(values, mode="drop"), input)


replaced.operation.takes_indices = True


def jax_shape(input, spots):
    """The shape that indexing gives, found without computing it."""
    return input.at[spots].get(mode="clip").shape


def _as_method(function, name):
    public = folding(function)
    public.__name__ = public.__qualname__ = name  # which `__torch_function__` is told
    return public


method(_as_method(get_item, "__getitem__"), name="__getitem__")
method(_as_method(set_item, "__setitem__"), name="__setitem__")
