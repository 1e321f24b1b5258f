"""Tensors that layers start from, before they are initialized."""

import numpy as np

from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.nn.parameter import Parameter
from kuai.ops.known_values import INTEGERS, check_sizes


def zeros(shape, device=None, dtype=None) -> Tensor:
    """A tensor of zeros in the given or the default dtype.

    Example:
        >>> zeros((2,))
        tensor([0., 0.])
    """
    kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
    shape = (shape,) if isinstance(shape, INTEGERS) else tuple(shape)
    check_sizes(shape)
    return from_array(np.zeros(shape, kind), device)


def parameter(shape, device=None, dtype=None) -> Parameter:
    """A parameter of zeros, to be initialized by its layer."""
    return Parameter(zeros(shape, device, dtype))


def factory_kwargs(kwargs: dict | None) -> dict:
    """The arguments among `kwargs` that functions which make tensors take.

    Example:
        >>> kuai.nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": kuai.float64}})
        {'dtype': torch.float64, 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    if unexpected := kwargs.keys() - simple - {"factory_kwargs"}:
        raise TypeError(f"unexpected kwargs {unexpected}")
    made = dict(kwargs.get("factory_kwargs", {}))
    for name in kwargs.keys() & simple:
        if name in made:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        made[name] = kwargs[name]
    return made
