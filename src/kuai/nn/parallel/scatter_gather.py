"""PyTorch's import path for dividing batches between devices, and joining what they gave."""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.devices import device
from kuai.ops.array.joining import cat

__all__ = ["gather", "scatter", "scatter_kwargs"]


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> Any:
    """A part of each tensor for every device, in containers like those that are given.

    Example:
        >>> from kuai.nn.parallel.scatter_gather import scatter
        >>> scatter((kuai.arange(3), "same"), ["cpu", "cpu"])
        [(tensor([0, 1]), 'same'), (tensor([2]), 'same')]
    """
    places = [device(each) for each in target_gpus]
    if isinstance(inputs, Tensor):
        parts = inputs.chunk(len(places), dim)
        return tuple(part.to(place) for part, place in zip(parts, places, strict=False))
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields"):
        rows = _together(inputs, target_gpus, dim)
        return [type(inputs)(*row) for row in rows]
    if isinstance(inputs, (tuple, list)) and inputs:
        return [type(inputs)(row) for row in _together(inputs, target_gpus, dim)]
    if isinstance(inputs, dict) and inputs:
        rows = _together(list(inputs.items()), target_gpus, dim)
        return [type(inputs)(row) for row in rows]
    return [inputs for _ in places]


def _together(parts: Any, places: Any, dim: int) -> list:
    return list(zip(*(scatter(part, places, dim) for part in parts), strict=False))


def scatter_kwargs(
    inputs: tuple, kwargs: dict | None, target_gpus: Any, dim: int = 0
) -> tuple[tuple, tuple]:
    """The parts of positional and keyword arguments for every device, equally many of both."""
    rows = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    count = max(len(rows), len(named))
    rows += [()] * (count - len(rows))
    named += [{}] * (count - len(named))
    return tuple(rows), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """What several devices gave, joined on one of them.

    Example:
        >>> from kuai.nn.parallel.scatter_gather import gather
        >>> gather([{"x": kuai.zeros(1)}, {"x": kuai.ones(2)}], "cpu")
        {'x': tensor([0., 1., 1.])}
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        place = device(target_device)
        rows = [each.reshape(1) if each.ndim == 0 else each for each in outputs]
        return cat([each.to(place) for each in rows], dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(each) != len(first) for each in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([each[k] for each in outputs], target_device, dim))
                           for k in first)  # fmt: skip
    rows = [gather(row, target_device, dim) for row in zip(*outputs, strict=True)]
    return type(first)(*rows) if hasattr(first, "_fields") else type(first)(rows)
