"""Nested lists, tuples and dictionaries whose dictionaries keep their order.

JAX sorts the keys of a dict wherever it takes one apart. Here the order is the user's, as in
PyTorch: `ordered` puts into the place of every dict a node that JAX does not sort. What is built
again from the structure has dicts, in their order.
"""

import collections

import jax

__all__ = ["ordered"]

_DICTS = (dict, collections.defaultdict, collections.OrderedDict)


class _InOrder:
    """A dict that is taken apart in its order."""

    def __init__(self, mapping):
        self.kind = type(mapping), getattr(mapping, "default_factory", None)
        self.keys, self.values = tuple(mapping), [ordered(part) for part in mapping.values()]


def _apart(node):
    return node.values, (node.kind, node.keys)


def _together(structure, values):
    (kind, factory), keys = structure
    pairs = zip(keys, values, strict=True)
    return kind(factory, pairs) if kind is collections.defaultdict else kind(pairs)


jax.tree_util.register_pytree_node(_InOrder, _apart, _together)


def ordered(nested):
    """The same nest for JAX to take apart.

    Example:
        >>> leaves, structure = jax.tree.flatten(ordered({"z": 1, "a": 2}))
        >>> leaves, jax.tree.unflatten(structure, leaves)
        ([1, 2], {'z': 1, 'a': 2})
    """
    kind = type(nested)
    if kind in _DICTS:
        return _InOrder(nested)
    if kind is list or kind is tuple:
        return kind([ordered(part) for part in nested])
    if isinstance(nested, tuple) and hasattr(kind, "_fields"):
        return kind(*[ordered(part) for part in nested])
    return nested
