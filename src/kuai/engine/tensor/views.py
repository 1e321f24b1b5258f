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
from typing import NamedTuple

import jax

from kuai.engine.tensor import modes
from kuai.engine.tensor.storage import put, resolve

__all__ = ["Step", "assign", "read_chain", "regroup", "split", "value", "write_chain"]


class Step(NamedTuple):
    """One view operation with its arguments: the static ones and the traced integers."""

    view: object  # has .read(base, static, numbers) and .write(base, part, static, numbers)
    static: tuple
    numbers: tuple


def value(tensor):
    """The array a tensor stands for now."""
    storage, capture = tensor._storage, modes.state.capture
    if capture is not None and storage.home is not capture:
        if modes.state.level is capture:
            array = capture.read(tensor)
            if array is not None:
                return array
        storage = capture.shadow(storage)
    if tensor._steps is None:
        return storage.array
    cache = tensor._cache
    if cache is not None and cache[0] is storage and cache[1] == storage.version:
        return cache[2]
    static, numbers = split(tensor._steps)
    array = read_chain(static, storage.array, numbers)
    if modes.state.capture is None:
        tensor._cache = (storage, storage.version, array)
    return array


def assign(tensor, array) -> None:
    """Replace the values a tensor stands for, seen by every tensor on the same storage."""
    if tensor._steps is None:
        put(tensor._storage, array)
        return
    static, numbers = split(tensor._steps)
    base = resolve(tensor._storage).array
    put(tensor._storage, write_chain(static, base, array, numbers))


def split(steps):
    """The static part of a chain, which is hashable, and its numbers, one group a step."""
    return tuple((s.view, s.static) for s in steps), tuple(s.numbers for s in steps)


def regroup(flat, counts):
    """Numbers in one row back into one group a step."""
    arriving = iter(flat)
    return tuple(tuple(next(arriving) for _ in range(count)) for count in counts)


@functools.partial(jax.jit, static_argnums=0)
def read_chain(chain, base, numbers):
    """Read a view out of its base's array."""
    for (view, static), numbers_of_step in zip(chain, numbers, strict=True):
        base = view.read(base, static, numbers_of_step)
    return base


@functools.partial(jax.jit, static_argnums=0)
def write_chain(chain, base, part, numbers):
    """The base's array with the view's elements replaced by `part`."""
    parts = [base]
    for (view, static), numbers_of_step in zip(chain, numbers, strict=True):
        parts.append(view.read(parts[-1], static, numbers_of_step))
    for (view, static), numbers_of_step, outer in zip(
        reversed(chain), reversed(numbers), reversed(parts[:-1]), strict=True
    ):
        part = view.write(outer, part, static, numbers_of_step)
    return part
