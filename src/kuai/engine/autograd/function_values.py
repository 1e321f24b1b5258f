"""A user's `Function` that asks for values inside of a `vmap`: one that computes by NumPy.

What runs inside is traced, so there are no values. Where a function is found to ask for some, it is
called by the program when that runs, on arrays of all slices or of one. What it gives has to be
known before: it is called once on made-up numbers, and has to give the same shapes for others.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kuai.engine.tensor import Tensor, from_array, modes, wrap
from kuai.engine.tensor.concrete import asks_for_values
from kuai.engine.tensor.modes import no_grad, outside
from kuai.engine.tensor.views import value

__all__ = ["with_values"]

_OTHER_SHAPE = (
    "vmap: an autograd.Function that computes by NumPy gave shape {}, and {} for other numbers. "
    "Inside of a vmap its results cannot have shapes that depend on values."
)


def with_values(function: Callable, *args) -> Any:
    """`function(*args)`, called once its values are there if it cannot do without."""
    try:
        return function(*args)
    except (RuntimeError, TypeError) as error:
        if not asks_for_values(error):
            raise
        return _called_later(function, args, error)


def _called_later(function, args, error):
    leaves, tree = jax.tree.flatten(args, is_leaf=_is_tensor)
    places = [i for i, leaf in enumerate(leaves) if _is_tensor(leaf)]
    arrays = [value(leaves[i]) for i in places]

    def call(*given):
        made = list(leaves)
        with outside(), _alone(), no_grad(), jax.ensure_compile_time_eval():
            for place, array in zip(places, given, strict=True):
                made[place] = from_array(np.asarray(array))
            found, shape = jax.tree.flatten(
                function(*jax.tree.unflatten(tree, made)), is_leaf=_is_tensor
            )
            return [np.asarray(value(f)) if _is_tensor(f) else f for f in found], shape

    try:
        with np.errstate(all="ignore"):
            sample, shape = call(*map(_made_up, arrays))
    except Exception:  # noqa: BLE001 (other numbers might do; these say no more than that)
        raise error from None
    kept = [i for i, each in enumerate(sample) if isinstance(each, np.ndarray)]
    types = [jax.ShapeDtypeStruct(sample[i].shape, sample[i].dtype) for i in kept]
    if any(0 in t.shape for t in types) and not any(0 in a.shape for a in arrays):
        raise error  # JAX would not call for nothing, and other numbers may give something

    def compute(*given):
        found, _ = call(*given)
        made = [found[i] for i in kept]
        for array, wanted in zip(made, types, strict=True):
            if (array.shape, array.dtype) != (wanted.shape, wanted.dtype):
                raise RuntimeError(_OTHER_SHAPE.format(array.shape, wanted.shape))
        return made

    made = jax.pure_callback(compute, types, *arrays, vmap_method="sequential")
    for place, array in zip(kept, made, strict=True):
        sample[place] = wrap(array)
    return jax.tree.unflatten(shape, sample)


def _is_tensor(thing) -> bool:
    return isinstance(thing, Tensor)


def _made_up(array) -> np.ndarray:
    """Numbers that most functions take: of matrices, symmetric positive definite ones."""
    if not np.issubdtype(array.dtype, np.inexact):
        return np.zeros(array.shape, array.dtype)
    made = np.full(array.shape, 0.5, array.dtype)
    if array.ndim > 1 and array.shape[-1] == array.shape[-2]:
        made = made + np.eye(array.shape[-1], dtype=array.dtype)
    return made


class _alone:
    """No transform and no forward mode: what is called sees tensors as they are outside of all."""

    def __enter__(self):
        state = modes.state
        self.before = state.level, state.transforms, state.around
        state.level, state.transforms, state.around = None, 0, None

    def __exit__(self, *_):
        modes.state.level, modes.state.transforms, modes.state.around = self.before
