"""`kuai._functorch.vmap`: names that packages take, which extend PyTorch's `vmap` by its steps.

`kuai.vmap` is JAX's and has other steps, so these raise where they are called.
"""

from kuai._C._functorch import _add_batch_dim as _add_batch_dim, _remove_batch_dim
from kuai.engine.tensor import Tensor
from kuai.func import vmap
from kuai.standin.refusing import refused
from kuai.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["Tensor", "tree_flatten", "tree_unflatten", "vmap"]

_remove_batch_dim = _remove_batch_dim
(
    _broadcast_to_and_flatten,
    _create_batched_inputs,
    _maybe_remove_batch_dim,
    _process_batched_inputs,
    _unwrap_batched,
) = (
    refused(f"torch._functorch.vmap.{name}", "vmap is JAX's here", "Call kuai.vmap with tensors")
    for name in (
        "_broadcast_to_and_flatten",
        "_create_batched_inputs",
        "_maybe_remove_batch_dim",
        "_process_batched_inputs",
        "_unwrap_batched",
    )
)


def _get_name(func: object) -> str:
    """What a function is called in messages."""
    return getattr(func, "__name__", repr(func))
