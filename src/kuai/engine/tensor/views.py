"""Views: tensors that read themselves out of another tensor's storage and write themselves back.

A view is a chain of steps from the base. Each step names a view operation and its arguments; the
operation gives two pure functions, `read(base) -> part` and `write(base, part) -> base`. A chain is
read from the base outward; it is written by reading every intermediate part, replacing the last
one, and writing outward-in. Both are compiled once per chain of static arguments: integers that
change often (the row of `x[i]`) travel as traced numbers.

Why not strides, as PyTorch has them: XLA arrays have no user-visible strides, and a chain of named
steps also says how to differentiate the view and how to print it.
"""

import functools
import weakref
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from kuai.engine.tensor import devices, modes, waiting
from kuai.engine.tensor.calls import Call, in_tiers, perform
from kuai.engine.tensor.layouts import layout_of
from kuai.engine.tensor.placeholder import Placeholder, exposed, known, one_at_a_time, reads
from kuai.engine.tensor.storage import put, resolve

__all__ = [
    "Step",
    "assign",
    "assign_all",
    "held",
    "held_all",
    "is_plain",
    "is_read_anew",
    "is_read_later",
    "leave_unread",
    "on_host",
    "outline",
    "read_chain",
    "regroup",
    "remember",
    "split",
    "unread_on_host",
    "value",
    "where",
    "write_chain",
]


class Step(NamedTuple):
    """One view operation with its arguments: the static ones and the traced integers."""

    view: object  # has .read(base, static, numbers) and .write(base, part, static, numbers)
    static: tuple
    numbers: tuple


# What a tensor stands for -------------------------------------------------------------------------


def value(tensor) -> Any:
    """The array a tensor stands for now, which the caller may keep."""
    return exposed(held(tensor))


def held(tensor) -> Any:
    """The array a tensor stands for now, or the placeholder of one that is still to be computed."""
    storage, capture = tensor._storage, modes.state.capture
    if capture is None and tensor._steps is None:
        return storage.held
    if capture is not None and storage.home is not capture:
        if modes.state.level is capture:
            array = capture.read(tensor)
            if array is not None:
                return array
        storage = capture.shadow(storage)
    if tensor._steps is None:
        return storage.held
    if not storage.is_array:
        return _read_memory(storage, tensor)
    cache = tensor._cache
    if cache is not None and cache.storage is storage and cache.version == storage.version:
        array = cache.read()
        if array is not None:
            return array
    array = _read(storage.held, tensor._steps)
    if capture is None:
        remember(tensor, storage, array)
    return array


def _read(base, steps):
    if len(steps) == 1:
        ((view, static, numbers),) = steps
        return perform(_reading(((view, static),), (len(numbers),)), [base, *numbers])
    static, numbers = split(steps)
    flat = [number for group in numbers for number in group]
    return perform(_reading(static, tuple(map(len, numbers))), [base, *flat])


def _read_memory(storage, tensor):
    """What a view of memory reads, anew each time: its own elements where it has no others."""
    with one_at_a_time:
        if _only_moves(tensor._steps) and not storage.is_array:  # another thread may be first
            return storage.read_window(*layout_of(tensor))
        return _read(storage.held, tensor._steps)


def is_read_anew(tensor) -> bool:
    """Whether a view of a tensor that lies in memory reads its own elements when it is used.

    Not where somebody looks at what is done, or writes down how to differentiate it.
    """
    state = modes.state
    if state.capture is not None or state.around is not None or state.block is not None:
        return False
    base = tensor if tensor._base is None else tensor._base
    if state.grad_enabled and (tensor.requires_grad or base.requires_grad):
        return False
    return _only_moves(tensor._steps or ())


def _only_moves(steps) -> bool:
    return all(step.view.moves for step in steps)


def held_all(tensors) -> list:
    """`held` of each; an optimizer's step asks for hundreds."""
    if modes.state.capture is not None:
        return [held(tensor) for tensor in tensors]
    return [t._storage.held if t._steps is None else held(t) for t in tensors]


def outline(tensor):
    """Something with the shape, dtype and sharding of a tensor; nothing is computed for it."""
    storage = tensor._storage
    if modes.state.capture is None:
        if not storage.is_array:
            return _outline_in_memory(storage, tensor)
        cache = tensor._cache
        if cache is not None and tensor._steps is not None:
            if cache.storage is storage and cache.fits(storage.held):
                return cache.outline
    return held(tensor)


def _outline_in_memory(storage, tensor):
    with one_at_a_time:
        whole = storage.outline
        if tensor._steps is None:
            return whole
        if _only_moves(tensor._steps):
            return known(layout_of(tensor).shape, whole.dtype, False, whole.sharding)
        return held(tensor)


def where(tensor) -> devices.device:
    """The device that a tensor's values lie on, or will lie on."""
    storage = resolve(tensor._storage)
    if storage.is_array:
        return devices.device_of(storage.held)
    with one_at_a_time:
        return devices.device_of(storage.outline)


def is_read_later(tensor) -> bool:
    """Whether a window on a tensor may be read when its values are asked for, and not before.

    So it may where the values of what it is a window on are there, and nobody looks at what is done
    with them.
    """
    storage = tensor._storage
    if not storage.is_array:
        return False
    return _is_there(storage.held) and is_read_anew(tensor)


def is_plain(tensor) -> bool:
    """`is_read_later` of a tensor that is no view and has no gradient, asked as quickly as can be:
    programs index in loops."""
    state, storage = modes.state, tensor._storage
    if tensor._node is not None or tensor._requires_grad or not storage.is_array:
        return False
    if state.capture is not None or state.around is not None or state.block is not None:
        return False
    return _is_there(storage.held)


def _is_there(held) -> bool:
    """Whether it is an array, or the placeholder of one, that has been computed."""
    if type(held) is Placeholder:
        return held.record is None
    return isinstance(held, jax.Array) and not isinstance(held, jax.core.Tracer)


class _Unread:
    """In the place of a `_Cache`: the size of a window that has not been read yet."""

    __slots__ = ("dtype", "part", "shape", "storage")
    version = None

    def __init__(self, storage, part):
        self.storage, self.part = storage, part
        self.shape, self.dtype = storage.held.shape, storage.held.dtype

    @property
    def outline(self):
        """The type of what is to be read."""
        return known(self.part, self.dtype, False, self.storage.held.sharding)

    def fits(self, held) -> bool:
        """Whether the base has the shape and dtype that it had."""
        return self.shape == held.shape and self.dtype == held.dtype


def leave_unread(tensor, shape) -> None:
    """Note the size of a window that is read when its values are asked for."""
    tensor._cache = _Unread(tensor._storage, shape)


def on_host(storage) -> np.ndarray | None:
    """The memory of a storage's array, if that lies on one CPU; None if it lies elsewhere."""
    if not storage.is_array or not _is_there(storage.held):
        return None
    array = storage.array
    sharding = array.sharding
    if type(sharding) is not SingleDeviceSharding or _platform_of(sharding) != "cpu":
        return None
    waiting.look_for(array)
    return np.asarray(array)


@functools.lru_cache(maxsize=64)
def _platform_of(sharding) -> str:
    (device,) = sharding.device_set
    return device.platform


def unread_on_host(tensor) -> np.ndarray | None:
    """The elements of a window that nobody has read yet, where they lie one after the other in a
    CPU's memory; None otherwise.
    """
    if type(tensor._cache) is not _Unread:
        return None
    found = on_host(tensor._storage) if modes.state.capture is None else None
    if found is None or reads.log is not None:
        return None
    for step in tensor._steps:
        found = step.view.taken(found, step.static, step.numbers)
        if found is None:
            return None
    return found if found.flags.c_contiguous else None


class _Cache:
    """What a view read out of its base last.

    A placeholder is not kept alive by that: it would have to be computed for nobody.
    """

    __slots__ = ("array", "dtype", "outline", "shape", "storage", "version")

    def __init__(self, storage, array):
        self.storage, self.version = storage, storage.version
        self.shape, self.dtype = storage.held.shape, storage.held.dtype
        if type(array) is Placeholder:
            self.array, self.outline = weakref.ref(array), array.type
        else:
            self.array = self.outline = array

    def read(self):
        """The array, or None if nobody has kept its placeholder."""
        array = self.array
        return array() if type(array) is weakref.ref else array

    def fits(self, held) -> bool:
        """Whether the base has the shape and dtype that it had."""
        return self.shape == held.shape and self.dtype == held.dtype


def remember(tensor, storage, array) -> None:
    """Note what a view reads out of its base now; of memory that is true for no known time."""
    if not storage.is_array:
        return
    tensor._cache = _Cache(storage, array)
    if type(array) is Placeholder and array.record is not None:
        array.record.keep(array)


def assign(tensor, array) -> None:
    """Replace the values a tensor stands for, seen by every tensor on the same storage."""
    if tensor._steps is None:
        put(tensor._storage, array)
        return
    if not resolve(tensor._storage).is_array:
        with one_at_a_time:
            if not tensor._storage.is_array:  # another thread may be first
                tensor._storage.write_window(array, *layout_of(tensor))
                return
    static, numbers = split(tensor._steps)
    flat = [number for group in numbers for number in group]
    base = resolve(tensor._storage).held
    put(
        tensor._storage,
        perform(_writing(static, tuple(map(len, numbers))), [base, array, *flat]),
    )


def assign_all(tensors, arrays) -> None:
    """`assign` to each; an optimizer's step does it to hundreds."""
    plain = modes.state.capture is None
    for tensor, array in zip(tensors, arrays, strict=True):
        if plain and tensor._steps is None:
            storage = tensor._storage
            if type(array) is Placeholder and array.record is not None:
                array.record.put(array, storage)
            storage.held = array
            storage.version += 1
        else:
            assign(tensor, array)


# Chains -------------------------------------------------------------------------------------------


def split(steps):
    """The static part of a chain, which is hashable, and its numbers, one group a step."""
    return tuple((s.view, s.static) for s in steps), tuple(s.numbers for s in steps)


def regroup(flat, counts):
    """Numbers in one row back into one group a step."""
    arriving = iter(flat)
    return tuple(tuple(next(arriving) for _ in range(count)) for count in counts)


@functools.lru_cache(maxsize=4096)
def _reading(chain, counts):
    def read_view(base, *flat):
        return read_chain(chain, base, regroup(flat, counts))

    return Call(in_tiers(read_view), "read_view")


@functools.lru_cache(maxsize=4096)
def _writing(chain, counts):
    def write_view(base, part, *flat):
        return write_chain(chain, base, part, regroup(flat, counts))

    return Call(in_tiers(write_view), "write_view")


def read_chain(chain, base, numbers):
    """Read a view out of its base's array; a pure function."""
    for (view, static), numbers_of_step in zip(chain, numbers, strict=True):
        base = view.read(base, static, numbers_of_step)
    return base


def write_chain(chain, base, part, numbers):
    """The base's array with the view's elements replaced by `part`; a pure function."""
    parts = [base]
    for place, ((view, static), numbers_of_step) in enumerate(zip(chain, numbers, strict=True)):
        if view.may_overlap and all(later.moves for later, _ in chain[place:]):
            part = _write_places(chain[place:], parts.pop(), part, numbers[place:])
            chain, numbers = chain[:place], numbers[:place]
            break
        parts.append(view.read(parts[-1], static, numbers_of_step))
    for (view, static), numbers_of_step, outer in zip(
        reversed(chain), reversed(numbers), reversed(parts[: len(chain)]), strict=True
    ):
        part = view.write(outer, part, static, numbers_of_step)
    return part


def _write_places(chain, base, part, numbers):
    """As `write_chain`, where windows overlap and a view of one of them is written to."""
    places = jnp.arange(base.size).reshape(base.shape)
    written = base.reshape(-1).at[read_chain(chain, places, numbers)].set(part)
    return written.reshape(base.shape)
