"""One compiled update over many tensors: how an optimizer changes its parameters.

The arithmetic is a pure function of nested lists of arrays; tensors are only read and written
around it, as one call that is run or recorded like any other (see `tensor.calls`).
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.tensor import Tensor, modes, views
from kuai.engine.tensor.calls import Call, perform

__all__ = ["update"]


def update(function, written, read, numbers=(), static=None) -> None:
    """Replace the values of the tensors in `written` by what a pure function makes of them.

    Args:
        function: `function(written, read, numbers, static)` on arrays returns new values nested as
            `written`; it must be the same object at every call.
        written: nested lists of tensors.
        read: nested lists of tensors that are only read.
        numbers: numbers or tensors that may change without compiling anew.
        static: hashable constants of the program.
    """
    boxes = jax.tree.leaves(written, is_leaf=_is_tensor)
    arrays, tree = jax.tree.flatten(_held((written, read, numbers)))
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
        written, read, numbers = jax.tree.unflatten(tree, arrays)
        results = function(written, read, numbers, static)
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


def _is_tensor(thing):
    return isinstance(thing, Tensor)


def _held(nested):
    return jax.tree.map(
        lambda t: views.held(t) if isinstance(t, Tensor) else t, nested, is_leaf=_is_tensor
    )
