"""`kuai._C._functorch`: what packages ask about tensors inside of `vmap`, and its inner steps.

A tensor inside of `vmap` is one that JAX traces; there is no other tensor within it to be had, so
classes that take part in PyTorch's own `vmap` by its steps are told so where they try.
"""

from typing import Any

from kuai.engine.autograd.batching import is_batched
from kuai.engine.tensor import Tensor, views
from kuai.standin.refusing import refused

__all__ = ["get_unwrapped", "is_batchedtensor"]

_STEPS = "vmap is JAX's here", "Call kuai.vmap with tensors"


def is_batchedtensor(tensor: Any) -> bool:
    """Whether a tensor stands for many, inside of `vmap`.

    Example:
        >>> seen = []
        >>> y = kuai.vmap(lambda x: seen.append(is_batchedtensor(x)) or x)(kuai.ones(2))
        >>> seen, is_batchedtensor(y)
        ([True], False)
    """
    return isinstance(tensor, Tensor) and is_batched(views.held(tensor))


get_unwrapped = refused("torch._C._functorch.get_unwrapped", *_STEPS)
_add_batch_dim = refused("torch._C._functorch._add_batch_dim", *_STEPS)
_remove_batch_dim = refused("torch._C._functorch._remove_batch_dim", *_STEPS)
_vmap_increment_nesting = refused("torch._C._functorch._vmap_increment_nesting", *_STEPS)
_vmap_decrement_nesting = refused("torch._C._functorch._vmap_decrement_nesting", *_STEPS)
