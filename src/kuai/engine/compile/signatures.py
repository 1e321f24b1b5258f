"""Signatures: what a compiled function's arguments look like, as a key for its programs.

Tensors count by shape, dtype, place and whether they require gradients; plain values by type and
value; NumPy arrays by contents; any other object by identity.
"""

import jax
import numpy as np
from jax.tree_util import PyTreeDef

from kuai.engine.tensor import Tensor, dtypes, modes
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.views import value

__all__ = ["rebuild", "signature"]


def signature(args, kwargs):
    """A key for the arguments, the tensors among them, and how to put others in their place."""
    if not kwargs and all([type(a) is Tensor for a in args]):
        leaves, tree, tensors = args, len(args), args
        key = [part for tensor in args for part in _aval(tensor)]
    else:
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_tensor_leaf)
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        key = [_aval(leaf) if isinstance(leaf, Tensor) else _constant_key(leaf) for leaf in leaves]
    if len(set(map(id, tensors))) != len(tensors):
        key.append(tuple(next(i for i, t in enumerate(tensors) if t is s) for s in tensors))
    state = modes.state
    key += (tree, state.grad_enabled, state.inference, state.autocast, dtypes.default_float_jax())
    return tuple(key), tensors, (leaves, tree)


def rebuild(form, others):
    """Arguments and keyword arguments of a signature's form, with other tensors in them."""
    leaves, tree = form
    if isinstance(tree, int):
        return tuple(others), {}
    arriving = iter(others)
    return jax.tree.unflatten(
        tree, [next(arriving) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    )


def _aval(tensor):
    array = value(tensor)
    where = array.sharding if isinstance(array, jax.Array) else None
    return array.shape, array.dtype, tensor.requires_grad, where


class _Identity:
    """An argument that is compared by identity and kept alive."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, _Identity) and self.thing is other.thing

    def __hash__(self):
        return id(self.thing)


def _constant_key(leaf):
    if isinstance(leaf, (int, float, bool, complex, str, bytes, type(None), PyTreeDef)):
        return (type(leaf), leaf)
    if isinstance(leaf, (np.ndarray, np.generic)):
        return (type(leaf), leaf.shape, leaf.dtype, leaf.tobytes())
    return _Identity(leaf)
