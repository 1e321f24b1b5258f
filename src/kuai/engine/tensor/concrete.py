"""Concrete values: where Python asks a tensor what its numbers are."""

import jax
import jax.core
import numpy as np

from kuai.engine.tensor import modes, views, waiting
from kuai.engine.tensor.calls import is_pending
from kuai.engine.tensor.placeholder import resolved
from kuai.engine.tensor.tensor import Tensor
from kuai.errors import DataDependentError

__all__ = ["asks_for_values", "concrete", "is_concrete", "is_tensor_leaf", "truth"]

_CALLED = (
    "vmap: It looks like you're calling .{what} on a Tensor. We don't support vmap over calling "
    ".{what} on a Tensor, please try to rewrite what you're doing with other operations."
)
_IN_VMAP = {
    "bool()": "vmap: It looks like you're attempting to use a Tensor in some data-dependent "
    "control flow. We don't support that yet, please use kuai.where instead.",
    "boolean indexing": "vmap: We do not support batching operators that can support dynamic "
    "shape. Attempting to batch over indexing with a boolean mask.",
    "nonzero()": "vmap: We do not support batching operators that can output dynamic shape. "
    "Attempted to vmap over aten::nonzero.",
}


def is_concrete(tensor) -> bool:
    """Whether the tensor's values are known now, outside of any tracing."""
    held = views.held(tensor)
    return not (isinstance(held, jax.core.Tracer) or is_pending(held))


def concrete(tensor, what: str) -> np.ndarray:
    """The values of a tensor as a NumPy array.

    Args:
        what: what needs them, for the message.

    Raises:
        DataDependentError: a program is being traced, so there are no values yet.
    """
    there = views.unread_on_host(tensor)
    if there is not None:
        if modes.state.recorder is not None:
            modes.state.recorder.looked_at()
        return there
    array = resolved(views.held(tensor), what)
    if modes.state.capture is not None and isinstance(array, jax.core.Tracer):
        if modes.state.level is modes.state.capture:
            refusal = RuntimeError(_IN_VMAP.get(what, _CALLED.format(what=what)))
            refusal.wanted_values = what  # type: ignore[attr-defined]
            raise refusal
        raise DataDependentError(what)
    if modes.state.recorder is not None:
        modes.state.recorder.looked_at()
    waiting.look_for(array)
    return np.asarray(array)


def asks_for_values(error: Exception) -> bool:
    """Whether an error says that something traced was asked for its values."""
    of_jax = jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError
    return isinstance(error, (DataDependentError, *of_jax)) or hasattr(error, "wanted_values")


def truth(tensor) -> bool:
    """Whether a tensor of one element is true.

    Raises:
        DataDependentError: a program is being traced, and it is not known which way it will go.
    """
    return bool(concrete(tensor, "bool()").reshape(()))


def is_tensor_leaf(thing) -> bool:
    """Whether a part of nested arguments is a tensor or a module, and so not to be taken apart."""
    return isinstance(thing, Tensor) or hasattr(type(thing), "_call_impl")
