"""One compiled update over many tensors: how an optimizer changes its parameters.

The arithmetic is a pure function of nested lists of arrays; tensors are only read and written
around it, eagerly as one compiled call, inside a capture as part of the step's program.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.tensor import Tensor, modes, views

__all__ = ["update"]


@functools.partial(jax.jit, static_argnums=(0, 4))
def _run(function, written, read, numbers, static):
    results = function(written, read, numbers, static)
    return jax.tree.map(lambda new, old: new.astype(old.dtype), results, written)


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
    old = _arrays(written)
    new = _run(function, old, _arrays(read), _arrays(numbers), static)
    if modes.state.skip_updates is not None:
        new = _unless(views.value(modes.state.skip_updates), old, new)
    block = modes.state.block
    if block is not None and block.checks is not None:
        given = [*jax.tree.leaves(old), *jax.tree.leaves(_arrays((read, numbers)))]
        block.checks.updated(function.__module__, given, jax.tree.leaves(new))
    boxes = jax.tree.leaves(written, is_leaf=_is_tensor)
    for box, array in zip(boxes, jax.tree.leaves(new), strict=True):
        views.assign(box, array)


@jax.jit
def _unless(skip, old, new):
    """The old values where a step is to be skipped, without anyone asking whether it is."""
    return jax.tree.map(lambda before, after: jnp.where(skip, before, after), old, new)


def _is_tensor(thing):
    return isinstance(thing, Tensor)


def _arrays(nested):
    return jax.tree.map(
        lambda t: views.value(t) if isinstance(t, Tensor) else t, nested, is_leaf=_is_tensor
    )
