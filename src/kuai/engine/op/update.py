"""One compiled update over many tensors: how an optimizer changes its parameters.

The arithmetic is a pure function of nested lists of arrays; tensors are only read and written
around it, as one call that is run or recorded like any other (see `tensor.calls`).
"""

import functools
import itertools

import jax
import jax.numpy as jnp

from kuai.engine.tensor import Tensor, modes, views
from kuai.engine.tensor.calls import Call, perform

__all__ = ["update"]


def update(function, written, read, numbers=(), static=None) -> None:
    """Replace the values of the tensors in `written` by what a pure function makes of them.

    Args:
        function: `function(written, read, numbers, static)` on arrays returns new values in lists
            as `written`; it must be the same object at every call.
        written: lists of tensors.
        read: lists of tensors that are only read.
        numbers: numbers or tensors that may change without compiling anew.
        static: hashable constants of the program.
    """
    boxes = [tensor for group in written for tensor in group]
    inputs = [tensor for group in read for tensor in group]
    arrays = [views.held(tensor) for tensor in (*boxes, *inputs)]
    arrays += [views.held(n) if isinstance(n, Tensor) else n for n in numbers]
    tree = (tuple(map(len, written)), tuple(map(len, read)))
    old = arrays[: len(boxes)]
    new = perform(_call(function, tree, static), arrays)
    skip = modes.state.skip_updates
    if skip is not None:
        new = perform(_unless(len(new)), [views.held(skip), *old, *new])
    block = modes.state.block
    if block is not None and block.checks is not None:
        block.checks.updated(function.__module__, arrays, new)
    for box, array in zip(boxes, new, strict=True):
        views.assign(box, array)


@functools.lru_cache(maxsize=1024)
def _call(function, tree, static):
    """The update as a call on arrays in one row."""

    def flat(*arrays):
        arriving = iter(arrays)
        written, read = ([list(itertools.islice(arriving, n)) for n in part] for part in tree)
        results = function(written, read, tuple(arriving), static)
        results = jax.tree.map(lambda new, old: new.astype(old.dtype), results, written)
        return jax.tree.leaves(results)

    name = function.__module__.rpartition(".")[2]
    flat.__name__ = flat.__qualname__ = name
    return Call(jax.jit(flat), name, varying=True)


@functools.lru_cache(maxsize=1024)
def _unless(count):
    """The old values where a step is to be skipped, without anyone asking whether it is."""

    def unless(skip, *values):
        pairs = zip(values[:count], values[count:], strict=True)
        return [jnp.where(skip, before, after) for before, after in pairs]

    return Call(jax.jit(unless), "unless_skipped")
