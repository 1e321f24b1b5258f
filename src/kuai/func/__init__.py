"""`kuai.func`: functions of functions, as in `torch.func`: gradients, Jacobians, batching.

Each transform takes a function of tensors and gives another. They nest in any order, work on
modules (through `functional_call`), eagerly and inside `kuai.compile`.
"""

from kuai.func.differentiating import grad, grad_and_value, jvp, linearize, vjp
from kuai.func.jacobians import hessian, jacfwd, jacrev
from kuai.func.modules import (
    combine,
    functional_call,
    partition,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from kuai.func.rearranging import rearrange
from kuai.func.vectorizing import vmap

__all__ = [
    "combine",
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "partition",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]


def debug_unwrap(tensor, *, recurse=True):
    """The tensor itself: inside a transform it is no wrapper."""
    return tensor


def functionalize(func, *, remove="mutations"):
    """The function itself: arrays are immutable here, so every program is functional already."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): received invalid argument for remove=. Valid "
            'options are:\n     remove="mutations": all inplace and out= operators will be removed '
            'from the program\n     remove="mutations_and_views": the same, and views as well'
        )
    return func
