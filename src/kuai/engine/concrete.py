"""Concrete values: where Python asks a tensor what its numbers are."""

import jax
import numpy as np

from kuai.engine import modes, views
from kuai.errors import DataDependentError

__all__ = ["concrete", "is_concrete"]


def is_concrete(tensor) -> bool:
    """Whether the tensor's values are known now, outside of any tracing."""
    return not isinstance(views.value(tensor), jax.core.Tracer)


def concrete(tensor, what: str) -> np.ndarray:
    """The values of a tensor as a NumPy array.

    Args:
        what: what needs them, for the message.

    Raises:
        DataDependentError: a step is being compiled, so there are no values yet.
    """
    array = views.value(tensor)
    if modes.state.capture is not None and isinstance(array, jax.core.Tracer):
        raise DataDependentError(what)
    return np.asarray(array)
