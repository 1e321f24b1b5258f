"""`kuai.fx._pytree`: trees of arguments with a spec that is given."""

from kuai.utils._pytree import TreeSpec, register_pytree_node

__all__ = ["register_pytree_flatten_spec", "tree_flatten_spec"]


def register_pytree_flatten_spec(cls, flatten_fn_spec, flatten_fn_exact_match_spec=None) -> None:
    """Accepted: `kuai.utils._pytree` knows how a class is taken apart."""


_register_pytree_node = register_pytree_node


def tree_flatten_spec(pytree, spec: TreeSpec):
    """The leaves of a tree as a spec says."""
    return spec.flatten_up_to(tuple(pytree) if spec.type is tuple else pytree)
