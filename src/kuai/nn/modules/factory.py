"""Tensors that layers start from, before they are initialized."""

import numpy as np

from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.nn.parameter import Parameter


def zeros(shape, device=None, dtype=None) -> Tensor:
    """A tensor of zeros in the given or the default dtype.

    Example:
        >>> zeros((2,))
        tensor([0., 0.])
    """
    kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return from_array(np.zeros(shape, kind), device)


def parameter(shape, device=None, dtype=None) -> Parameter:
    """A parameter of zeros, to be initialized by its layer."""
    return Parameter(zeros(shape, device, dtype))
