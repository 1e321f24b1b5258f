"""The state of an optimizer's parameters: what it consists of, and its tensors.

State that has one value for each element of the parameter has the parameter's dtype, and, if that
is complex, the same value in both parts. State of one number, such as the count of steps, has the
default dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tensor import Tensor, from_array, modes
from kuai.engine.tensor.dtypes import default_float_jax

__all__ = ["StateLayout", "layout_of", "new_tensor", "outline_of"]


class StateLayout(NamedTuple):
    """The names of a parameter's state, and which of them are one number."""

    names: tuple[str, ...]
    numbers: tuple[bool, ...]


def layout_of(init_state: Callable, options: SimpleNamespace) -> StateLayout:
    """What a parameter's state consists of under these options."""
    state = init_state(_outline((2, 2), np.dtype("float32")), options)
    return StateLayout(tuple(state), tuple(np.ndim(value) == 0 for value in state.values()))


def new_tensor(param: Tensor, value: Any, is_number: bool) -> Tensor:
    """A real tensor on a parameter's device, whatever is traced or recorded."""
    if is_number:
        kind = np.bool_ if isinstance(value, bool) else default_float_jax()
        array = np.asarray(value, kind)
    elif param.dtype.is_complex:
        array = (value[..., 0] + 1j * value[..., 1]).astype(param.dtype.jax)
    else:
        array = np.asarray(value, param.dtype.jax)
    with modes.outside():
        return from_array(array, param.device)


def outline_of(param: Tensor) -> np.ndarray:
    """What a formula sees of a parameter (see `formula`), as far as `init_state` may look."""
    shape, dtype = tuple(param.shape), np.dtype(param.dtype.jax)
    if dtype.kind == "c":
        shape, dtype = (*shape, 2), np.finfo(dtype).dtype
    return _outline(shape, np.dtype("float32") if dtype.itemsize == 2 else dtype)


def _outline(shape: tuple, dtype: np.dtype) -> np.ndarray:
    """An array that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)
