"""All partial results of joining the slices of tensors, by an associative function.

The slices are joined in pairs, the pairs' results are scanned, and the slices between them follow:
2 log₂ n calls on many slices at once instead of n calls one after the other.

Reference: G. E. Blelloch, Prefix sums and their applications, 1990.
"""

from kuai.engine.tensor import Tensor
from kuai.func import vmap
from kuai.ops.array.joining import cat, stack
from kuai.utils import _pytree as pytree

__all__ = ["associative_scan"]


def associative_scan(combine_fn, xs, dim, reverse=False, combine_mode="pointwise"):
    """The slices x₀, x₀ ∘ x₁, x₀ ∘ x₁ ∘ x₂, … along a dimension, ∘ being `combine_fn`.

    Args:
        combine_fn: an associative function of two slices.
        xs: a tensor or nested tensors, all of the same size along `dim`.
        reverse: begin at the end.
        combine_mode: accepted; every function is taken as with "generic".

    Example:
        >>> from kuai._higher_order_ops import associative_scan
        >>> associative_scan(lambda x, y: x * y, kuai.tensor([1, 2, 3, 4]), 0)
        tensor([ 1,  2,  6, 24])

    Differs from PyTorch: it has gradients, and works on every device, without `kuai.compile`.
    """
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(
            f"Combine_mode must be either 'pointwise' or 'generic', but got {combine_mode}"
        )
    leaves, spec = pytree.tree_flatten(xs)
    _check(leaves, dim)

    def joined(left, right):
        both = pytree.tree_unflatten(left, spec), pytree.tree_unflatten(right, spec)
        return pytree.tree_leaves(vmap(combine_fn)(*both))

    first = [leaf.movedim(dim, 0) for leaf in leaves]
    first = [leaf.flip(0) for leaf in first] if reverse else first
    made = _scanned(joined, first)
    made = [leaf.flip(0) for leaf in made] if reverse else made
    return pytree.tree_unflatten([leaf.movedim(0, dim) for leaf in made], spec)


def _check(leaves, dim) -> None:
    if not leaves:
        raise ValueError("Expected at least 1 xs leaf")
    if any(not isinstance(leaf, Tensor) for leaf in leaves):
        raise ValueError("xs leaves must be a Tensor")
    if len({leaf.shape[dim] for leaf in leaves}) > 1:
        raise ValueError("All xs leaves must have the same size along the scanned dimension")


def _scanned(joined, leaves):
    """The scan along the first dimension."""
    count = leaves[0].shape[0]
    if count < 2:
        return leaves
    pairs = joined([x[:-1:2] for x in leaves], [x[1::2] for x in leaves])
    odd = _scanned(joined, pairs)
    between = [x[:-1] for x in odd] if count % 2 == 0 else odd
    even = joined(between, [x[2::2] for x in leaves]) if count > 2 else []
    even = [cat([x[:1], e]) for x, e in zip(leaves, even, strict=True)] if even else leaves
    return [_woven(e, o, count) for e, o in zip(even, odd, strict=True)]


def _woven(even, odd, count):
    """Elements in turn."""
    woven = stack([even[: count // 2], odd], 1).flatten(0, 1)
    return cat([woven, even[-1:]]) if count % 2 else woven
