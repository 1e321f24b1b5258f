"""An index taken apart: the window that integers and slices make, and the tensors that remain."""

import functools
import operator
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.autograd import inplace
from kuai.engine.autograd.running import run
from kuai.engine.op import Array
from kuai.engine.op.decorators import ViewOp
from kuai.engine.tensor import Tensor, from_array, modes, views
from kuai.engine.tensor.calls import Call, perform
from kuai.engine.tensor.concrete import concrete, is_concrete
from kuai.engine.tensor.layouts import Layout
from kuai.engine.tensor.overriding import is_of_the_real_torch, named
from kuai.engine.tensor.placeholder import resolved
from kuai.ops.array import shaping
from kuai.ops.array.shaping import shape_of

FULL = slice(None)
_TYPES = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
    "valid indices "
    "(got {})"
)
_OLD_TUPLE = (
    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in "
    "pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as "
    "tensor index, x[torch.tensor(seq)], which will result either in an error or a different result"
)
_BYTES = "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead."
#: What is an index of its own in a list that is one.
_PARTS = (Tensor, slice, list, tuple, range, str, np.ndarray)


# The window that integers and slices make ---------------------------------------------------------


class Window(ViewOp):
    """The view operation of `x[...]`.

    Its plan has a part for each dimension of the base, and one for each new dimension: `()` takes
    the dimension whole, `(1,)` an index, `(length, step)` a slice, `None` inserts a dimension.
    Its numbers are the indices and starts in order.
    """

    moves = True

    def __init__(self, grad_name):
        super().__init__(_describe, None, grad_name)

    def __call__(self, tensor, plan, numbers):
        if not tensor._storage.is_array and views.is_read_anew(tensor):
            return inplace.unread_window(tensor, views.Step(self, plan, numbers))
        unrecorded = modes.state.recorder is None
        if unrecorded and _is_known(numbers) and views.is_read_later(tensor):
            made = inplace.unread_window(tensor, views.Step(self, plan, numbers))
            views.leave_unread(made, _shape_of_window(shape_of(tensor), plan))
            return made
        made = run(self, plan, lambda: self.unflatten(plan), (tensor, *numbers))
        return inplace.window(made, tensor, views.Step(self, plan, numbers))

    def described(self, key):
        """The base is its only argument; a plan is nothing that PyTorch knows."""
        yield "input", 1, None

    def unflatten(self, key):
        return lambda base, *numbers: _read(base, key, numbers)

    def taken(self, array, static, numbers):
        """The same of a NumPy array, as a view of its memory."""
        arriving = iter(numbers)
        parts: list[Any] = []
        for part in static:
            if part is None:
                parts.append(None)
            elif not part:
                parts.append(FULL)
            else:
                start = next(arriving)
                one = len(part) == 1
                parts.append(start if one else slice(start, start + part[0] * part[1], part[1]))
        return array[tuple(parts)]

    def write(self, base, part, static, numbers):
        part = jnp.reshape(part, _kept_shape(base.shape, static))
        starts, sizes, steps = _block(base.shape, static, numbers)
        if all(step == 1 for step in steps):
            return lax.dynamic_update_slice(base, part, starts)
        lengths = part.shape
        places = [
            s + step * jnp.arange(n) for s, step, n in zip(starts, steps, lengths, strict=True)
        ]
        return base.at[jnp.ix_(*places)].set(part)

    def layout(self, layout, static, numbers):
        starts, _, steps = _block(layout.shape, static, numbers)
        # a number is nobody's value, and must not count as one that is asked for
        first = [s if type(s) is int else int(resolved(s)) for s in starts]
        offset = layout.offset + sum(map(operator.mul, first, layout.strides))
        shape, strides, dim = [], [], 0
        for part in static:
            if part is None:
                following = (
                    layout.shape[dim] * layout.strides[dim] if dim < len(layout.shape) else 1
                )
                shape.append(1), strides.append(following)
                continue
            if len(part) != 1:
                shape.append(part[0] if part else layout.shape[dim])
                strides.append(layout.strides[dim] * steps[dim])
            dim += 1
        return Layout(tuple(shape), tuple(strides), offset)


def _describe(input: Array):
    """`x[...]` with integers and slices."""


def _block(shape, plan, numbers):
    """Starts, sizes and steps of the block of the base that a plan covers."""
    arriving, starts, sizes, steps = iter(numbers), [], [], []
    for part, length in zip([p for p in plan if p is not None], shape, strict=True):
        count, step = part if len(part) == 2 else (1 if part else length, 1)
        starts.append(next(arriving) if part else 0)
        sizes.append(max((count - 1) * step + 1, 0))
        steps.append(step)
    return starts, sizes, steps


def _kept_shape(shape, plan):
    """The shape of the block before dimensions are taken away or inserted."""
    parts = [p for p in plan if p is not None]
    return tuple(p[0] if p else n for p, n in zip(parts, shape, strict=True))


def _is_known(numbers):
    """Whether indices and starts are Python's, rather than read out of tensors."""
    return all(type(number) is int for number in numbers)


def _shape_of_window(shape, plan):
    sizes, dim = [], 0
    for part in plan:
        if part is None:
            sizes.append(1)
            continue
        if len(part) != 1:
            sizes.append(part[0] if part else shape[dim])
        dim += 1
    return tuple(sizes)


def _read(base, plan, numbers):
    starts, sizes, steps = _block(base.shape, plan, numbers)
    if any(plan_part for plan_part in plan):
        base = lax.dynamic_slice(base, starts, sizes)
    if any(step != 1 for step in steps):
        base = lax.slice(base, (0,) * base.ndim, base.shape, steps)
    shape, sizes = [], iter(base.shape)
    for part in plan:
        size = 1 if part is None else next(sizes)
        if part is None or len(part) != 1:
            shape.append(size)
    return jnp.reshape(base, shape)


_WINDOWS = {
    kind: Window(name)
    for kind, name in {
        1: "SelectBackward0",
        2: "SliceBackward0",
        None: "UnsqueezeBackward0",
        0: "AliasBackward0",
    }.items()
}


select_window = _WINDOWS[1]


def row(tensor, number):
    """`tensor[number]`, to be read when it is used; None where it has to be read at once, or there
    is none."""
    if tensor._steps is not None or not views.is_plain(tensor):
        return None
    shape = tensor._storage.held.shape
    if not shape or not -shape[0] <= number < shape[0]:
        return None
    plan = rows_plan(len(shape))
    step = views.Step(select_window, plan, (number + shape[0] if number < 0 else number,))
    made = inplace.unread_window(tensor, step)
    views.leave_unread(made, shape[1:])
    return made


@functools.cache
def rows_plan(count):
    """The plan of `x[i]` for so many dimensions."""
    return ((1,), *((),) * (count - 1))


def slice_window(tensor, plan, numbers):
    """The window of a slice, also of one that takes everything."""
    return _WINDOWS[2](tensor, tuple(plan), tuple(numbers))


def opened(tensor, plan, numbers):
    """The window for a plan, named after its last part as in PyTorch."""
    telling = [None if part is None else len(part) for part in plan if part != ()]
    return _WINDOWS[telling[-1] if telling else 0](tensor, tuple(plan), tuple(numbers))


def step_of(plan, numbers):
    """What leads from a tensor to the window for a plan."""
    return views.Step(_WINDOWS[0], tuple(plan), tuple(numbers))


# Taking an index apart ----------------------------------------------------------------------------


def take_apart(tensor, index):
    """The plan and numbers of the window, and a tensor or None for each dimension of its result."""
    items = _items(index)
    shape = shape_of(tensor)
    consumed = sum(_consumes(item) for item in items)
    if consumed > len(shape):
        if not shape and all(isinstance(item, (int, np.integer)) for item in items):
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                "`tensor.item<T>()` in "
                "C++ to convert a 0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    missing = len(shape) - consumed
    if Ellipsis in [item if item is Ellipsis else None for item in items]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [FULL] * missing
    else:
        items += [FULL] * missing
    return _plan(tensor, shape, items)


def _items(index):
    given = list(index) if isinstance(index, tuple) or _is_old_tuple(index) else [index]
    items = [_normal(item) for item in given]
    if sum(item is Ellipsis for item in items) > 1:
        if any(item is not Ellipsis and item is not None for item in items):
            raise IndexError("an index can only have a single ellipsis ('...')")
        first = items.index(Ellipsis)  # x[..., ...]: all of it
        items = [item for at, item in enumerate(items) if item is None or at == first]
    return items


def _is_old_tuple(index):
    """Whether a list is taken for a tuple, as PyTorch does if it holds more than numbers."""
    if type(index) is not list or len(index) >= 32:
        return False
    if not any(item is None or item is Ellipsis or isinstance(item, _PARTS) for item in index):
        return False
    warnings.warn(_OLD_TUPLE, stacklevel=6)
    return True


def _normal(item):
    """A part of an index as int, slice, None, Ellipsis, bool or Tensor."""
    if item is None or item is Ellipsis or isinstance(item, (int, slice, Tensor)):
        return item
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, (list, tuple, range, np.ndarray)):
        return _as_index(item)
    if is_of_the_real_torch(type(item)):
        raise TypeError(f"a kuai.Tensor is not indexed with {named(type(item))}")
    if hasattr(item, "__index__") and not isinstance(item, np.bool_):
        return item.__index__()
    if isinstance(item, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(item).__name__}'")
    raise IndexError(_TYPES.format(named(type(item))))


def _as_index(item):
    if isinstance(item, (list, tuple)) and any(isinstance(part, Tensor) for part in item):
        item = [part.tolist() if isinstance(part, Tensor) else part for part in item]
    array = np.asarray(item)
    if array.dtype.kind in "US":
        raise TypeError(f"new(): invalid data type '{type(array.reshape(-1)[0].item()).__name__}'")
    if array.dtype.kind in "iuf":  # as PyTorch's older constructors do
        array = array.astype(np.int64)
    return from_array(array)


def _consumes(item):
    """How many dimensions of the tensor a part of an index speaks about."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and is_mask(item):
        return item.ndim
    return 1


def is_mask(tensor):
    """Whether an index tensor says yes or no instead of where."""
    return tensor.dtype.name in ("bool", "uint8")


def _plan(tensor, shape, items):
    plan, numbers, gathers, dim = [], [], [], 0
    for item in items:
        if isinstance(item, Tensor) and item.dtype.name == "uint8" and item.ndim:
            warnings.warn(_BYTES, stacklevel=6)
        if item is None:
            plan.append(None), gathers.append(None)
        elif isinstance(item, bool):
            plan.append(None), gathers.append(from_array(np.array([item])))
        elif isinstance(item, int) or (
            isinstance(item, Tensor) and not item.ndim and not is_mask(item)
        ):
            plan.append((1,)), numbers.append(_place(item, dim, shape[dim]))
            dim += 1
        elif isinstance(item, slice):
            part, start = _slice(item, shape[dim])
            plan.append(part), gathers.append(None)
            numbers += [start] if part else []
            dim += 1
        elif not item.ndim:
            plan.append(None), gathers.append(shaping.reshape(item, (1,)))
        else:
            count = item.ndim if is_mask(item) else 1
            plan += [()] * count
            gathers.append(item)
            dim += count
    return plan, numbers, gathers


def _place(item, dim, size):
    """An index counted from the front; a traced one stays on the device and is not checked."""
    if isinstance(item, Tensor):
        if item.dtype.is_floating_point or item.dtype.is_complex:
            check_index_dtype(item)
        if not is_concrete(item):
            return perform(_from_front(size), [views.held(item)])
        item = int(concrete(item, "an index"))
    if not -(2**63) <= item < 2**63:
        raise ValueError("Overflow when unpacking long long")
    if not -size <= item < size:
        raise IndexError(f"index {item} is out of bounds for dimension {dim} with size {size}")
    return item + size if item < 0 else item


@functools.lru_cache(maxsize=1024)
def _from_front(size):
    """An index as a number counted from the front, as a call."""

    def from_front(index):
        return jnp.where(index < 0, index + size, index)

    return Call(jax.jit(from_front), "index_from_front")


def _slice(item, size):
    """A slice as part of a plan and its start."""
    start, stop, step = (
        int(v.__index__()) if isinstance(v, Tensor) else v
        for v in (item.start, item.stop, item.step)
    )
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step is not None and step < 0:
        raise ValueError("step must be greater than zero")
    if start in (None, 0) and stop is None and step in (None, 1):
        return (), 0
    start, stop, step = slice(start, stop, step).indices(size)
    length = max(-(-(stop - start) // step), 0)
    if length == size and step == 1:
        return (), 0
    return (length, step), start


def check_index_dtype(tensor):
    """PyTorch's error for tensors that cannot be indices."""
    if tensor.dtype.name not in ("int64", "int32", "bool", "uint8"):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def is_whole(plan):
    """Whether a plan takes every dimension as it is."""
    return all(part == () for part in plan)
