"""A function of every slice of tensors."""

from kuai.engine.tensor import Tensor
from kuai.ops.control.control_flow import scan
from kuai.utils import _pytree as pytree

__all__ = ["map"]


def map(f, xs, *args):
    """`f(x, *args)` of every slice x of `xs` along its first dimension; the results are stacked.

    Args:
        xs: a tensor or nested tensors, all with the same number of slices.
        args: what every call gets as it is.

    Example:
        >>> from kuai._higher_order_ops import map
        >>> map(lambda x, y: x.sum() * y, kuai.ones(3, 2), 5)
        tensor([10., 10., 10.])

    Raises:
        RuntimeError: there is no slice, or not as many everywhere.
    """
    if not callable(f):
        raise RuntimeError(f"f must be a callable, but got {f}")
    lengths = _lengths(xs)
    if not lengths:
        raise RuntimeError("map() operator requires xs leaves.")
    if len(set(lengths)) > 1:
        raise RuntimeError(f"Leading dimensions of mapped xs must be consistent. Got {lengths}.")
    if not lengths[0]:
        raise RuntimeError("Leading dimensions of mapped xs cannot be 0.")
    return scan(lambda carry, x: (carry, f(x, *args)), (), xs)[1]


def _lengths(xs) -> list[int]:
    """The numbers of slices."""
    lengths = []
    for leaf in pytree.tree_leaves(xs):
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"Mapped xs can only consist of tensors. Got xs {xs}.")
        lengths.append(leaf.shape[0])
    return lengths
