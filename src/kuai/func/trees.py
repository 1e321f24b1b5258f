"""Nested lists, tuples and dictionaries of tensors, as the transforms take and return them."""

import contextlib

import jax

from kuai.engine.tensor import modes
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.nests import ordered

__all__ = ["flatten", "inside_transform", "leaves_of", "name_of", "structure", "tree_map"]


def _is_leaf(thing):
    return thing is None or is_tensor_leaf(thing)


def flatten(nested):
    """The leaves and the structure; None is a leaf."""
    return jax.tree.flatten(ordered(nested), is_leaf=_is_leaf)


def leaves_of(nested):
    """The leaves alone."""
    return jax.tree.leaves(ordered(nested), is_leaf=_is_leaf)


def tree_map(function, nested, *others):
    """Apply a function to every leaf."""
    return jax.tree.map(function, *map(ordered, (nested, *others)), is_leaf=_is_leaf)


def structure(nested):
    """How the leaves are nested."""
    return jax.tree.structure(ordered(nested), is_leaf=_is_leaf)


def name_of(function) -> str:
    """What error messages call a function."""
    return getattr(function, "__name__", None) or repr(function)


@contextlib.contextmanager
def inside_transform():
    """While a transform runs a function: compiled functions run as what they were made of, and
    `backward()` is refused."""
    modes.state.transforms += 1
    try:
        yield
    finally:
        modes.state.transforms -= 1
