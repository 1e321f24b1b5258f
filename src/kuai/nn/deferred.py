"""Deferred initialization: what is written to a tensor without a shape is done once it has one.

`net[0].weight.data.normal_(0, 0.01)` on a lazy layer is remembered in the stead of the values, and
so is `nn.init.xavier_uniform_(net[0].weight)`. A lazy layer does what is remembered after its own
initialization, in the order in which it was asked for.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable
from typing import Any

from kuai.engine.tensor import Tensor, modes

__all__ = ["apply_remembered", "deferring", "has_no_shape", "remembering", "take_remembered"]

#: The in-place methods that are remembered.
REMEMBERED = (
    "normal_ uniform_ zero_ fill_ bernoulli_ exponential_ log_normal_ cauchy_ geometric_ random_ "
    "add_ sub_ mul_ div_ clamp_ clip_ abs_ neg_ __setitem__ __iadd__ __isub__ __imul__ __itruediv__"
).split()

_REFUSED = "a leaf Variable that requires grad is being used in an in-place operation."


def has_no_shape(tensor: Any) -> bool:
    """Whether this is an uninitialized tensor, which remembers what is written to it."""
    return isinstance(tensor, Tensor) and hasattr(type(tensor), "remember")


def remembering(name: str) -> Callable:
    """An in-place method of uninitialized tensors."""

    def method(self, *args: Any, **kwargs: Any):
        if self.requires_grad and modes.is_grad_enabled():
            raise RuntimeError(_REFUSED)
        self.remember(operator.methodcaller(name, *args, **kwargs))
        return None if name == "__setitem__" else self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name}`, done once the shape is known."
    return method


def deferring(function: Callable) -> Callable:
    """An initializer that is remembered by a tensor without a shape.

    Example:
        >>> layer = kuai.nn.LazyLinear(2)
        >>> kuai.nn.init.constant_(layer.weight, 0.5)
        <UninitializedParameter>
        >>> layer(kuai.ones(1, 3)).shape, layer.weight[0].tolist()
        (torch.Size([1, 2]), [0.5, 0.5, 0.5])
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def initializer(tensor, *args, **kwargs):
        if not has_no_shape(tensor):
            return function(tensor, *args, **kwargs)
        given = signature.bind(tensor, *args, **kwargs).arguments
        del given[next(iter(signature.parameters))]
        tensor.remember(functools.partial(initializer, **given))
        return tensor

    return initializer


def take_remembered(tensors: Iterable[Tensor | None]) -> list[tuple[Tensor, list[Callable]]]:
    """What is to be done to each of these tensors, which forget it."""
    lazy: list[Any] = [tensor for tensor in tensors if has_no_shape(tensor)]
    return [(tensor, tensor.forget()) for tensor in lazy]


def apply_remembered(remembered: Iterable[tuple[Tensor, list[Callable]]]) -> None:
    """Do what `take_remembered` has given, to tensors that have a shape by now."""
    with modes.no_grad():
        for tensor, calls in remembered:
            for call in calls:
                call(tensor)
