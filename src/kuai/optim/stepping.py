"""What a step has in common in all optimizers: options, state tensors, arithmetic.

A step is one pure function over all parameters of a group: eagerly one compiled call, inside
`kuai.compile` one operation of the step's program. Its numbers (learning rates, decays) are inputs,
so that they may change at every call; `static` constants are part of the program.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.autograd.running import Operation, run
from kuai.engine.op.update import update
from kuai.engine.tensor import Tensor, from_array, modes

__all__ = ["active", "apply", "new_state", "scalar", "wide"]


def active(group: dict, key: str) -> bool:
    """Whether an option is anything but zero."""
    return bool(group[key] != 0)


# State --------------------------------------------------------------------------------------------


def new_state(param: Tensor, shape: tuple | None = None, dtype: Any = None, value: Any = 0):
    """A real tensor on a parameter's device, by default of its shape and dtype."""
    with modes.outside():
        shape = tuple(param.shape) if shape is None else shape
        kind = param.dtype.jax if dtype is None else dtype
        return from_array(np.full(shape, value, kind), param.device)


# Arithmetic ---------------------------------------------------------------------------------------


def wide(values: Any) -> Any:
    """16-bit numbers in float32, others as they are."""
    return values.astype(jnp.float32) if values.dtype.itemsize == 2 else values


def scalar(value: Any, like: Any) -> Any:
    """A number in the (real) dtype of an array, so that it does not change the array's dtype."""
    return jnp.asarray(value).reshape(()).astype(jnp.finfo(like.dtype).dtype)


def apply(function, written, read, numbers, static, differentiable: bool = False) -> None:
    """Replace the values of `written` by what a pure function makes of them, as one program.

    Under `differentiable` the change is recorded for `backward()`.
    """
    if differentiable:
        _apply_recorded(function, written, read, numbers, static)
    else:
        update(function, written, read, numbers, static)


_recorded = Operation("optimizer_step", "OptimizerStepBackward0")


def _apply_recorded(function, written, read, numbers, static) -> None:
    sizes = tuple(map(len, written)), tuple(map(len, read))
    boxes = [tensor for tensors in written for tensor in tensors]
    inputs = [*boxes, *(tensor for tensors in read for tensor in tensors), *numbers]

    def flat_function(*values):
        arriving = iter(values)
        groups = [[[next(arriving) for _ in range(n)] for n in counts] for counts in sizes]
        results = function(*groups, tuple(arriving), static)
        return tuple(result for part in results for result in part)

    results = run(_recorded, (function, sizes, static), lambda: flat_function, inputs)
    for box, result in zip(boxes, results, strict=True):
        overwrite(box, result)
