"""What a step has in common in all optimizers: options, state tensors, dependencies, arithmetic.

A step is one pure function over all parameters of a group. Inside `kuai.compile` it becomes a part
of the step's program, so it says how each option reaches it:

* `number(group, key)`: an input of the program, which may change at every call;
* `constant(group, key)`, `active(group, key)`: a switch; another value needs another program.

State tensors are made for real even while a program is traced (`new_state`), so that the first call
already compiles the program of all later ones.
"""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd.capturing import constant, number
from kuai.engine.autograd.inplace import overwrite
from kuai.engine.autograd.running import Operation, run
from kuai.engine.op.update import update
from kuai.engine.tensor import Tensor, from_array, modes

__all__ = [
    "active",
    "apply",
    "constant",
    "depend_on_layout",
    "depend_on_state",
    "new_state",
    "number",
    "number_in",
    "scalar",
    "wide",
]


# Options ------------------------------------------------------------------------------------------


class _View:
    """A container that computes what it holds from a parameter group or an optimizer."""

    def __init__(self, source: Any, read: Callable[[Any, Any], Any]):
        self.source = source
        self.read = read

    def __getitem__(self, key: Any) -> Any:
        return self.read(self.source, key)


_views: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()


def _view_of(optimizer: Any, read: Callable[[Any, Any], Any]) -> _View:
    """The one view of an optimizer of its kind, so that a program checks it once."""
    made = _views.setdefault(optimizer, {})
    if read not in made:
        made[read] = _View(weakref.proxy(optimizer), read)
    return made[read]


def active(group: dict, key: str) -> bool:
    """Whether an option is anything but zero: a constant, while the option itself may change."""
    return constant(_View(group, _is_active), key)


def _is_active(group: dict, key: str) -> bool:
    return bool(group[key] != 0)


def number_in(group: dict, key: str, position: int) -> Any:
    """One of the numbers of an option such as `betas`."""
    return number(_View(group, _item), (key, position))


def _item(group: dict, place: tuple[str, int]) -> Any:
    return group[place[0]][place[1]]


# What a compiled program depends on ---------------------------------------------------------------


def depend_on_layout(optimizer: Any) -> None:
    """A compiled program holds for these parameters and these hooks."""
    constant(_view_of(optimizer, _layout), "layout")
    for slot in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"):
        constant(vars(optimizer), slot)


def depend_on_state(optimizer: Any) -> None:
    """A compiled program holds for these state tensors."""
    constant(_view_of(optimizer, _state), "state")


def _layout(optimizer: Any, key: str) -> bytes:
    groups = optimizer.param_groups
    return b"|".join(_identities(group["params"]) for group in groups)


def _state(optimizer: Any, key: str) -> bytes:
    return _identities(t for entries in optimizer.state.values() for t in entries.values())


def _identities(things: Any) -> bytes:
    # one string compares much faster than a list of objects, and this happens at every call
    return array("Q", map(id, things)).tobytes()


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
