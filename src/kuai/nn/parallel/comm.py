"""`kuai.nn.parallel.comm`: tensors copied, cut and summed between devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.ops.array.joining import cat

__all__ = [
    "broadcast",
    "broadcast_coalesced",
    "gather",
    "reduce_add",
    "reduce_add_coalesced",
    "scatter",
]


def _device(where: Any) -> Any:
    return f"cuda:{where}" if isinstance(where, int) and where >= 0 else where


def broadcast(
    tensor: Tensor, devices: Sequence[Any] | None = None, *, out: Any = None
) -> tuple[Tensor, ...]:
    """A copy on each device.

    Example:
        >>> kuai.nn.parallel.comm.broadcast(kuai.ones(1), ["cpu", "cpu"])
        (tensor([1.]), tensor([1.]))
    """
    if (devices is None) == (out is None):
        raise RuntimeError(
            f"Exactly one of 'devices' and 'out' must be specified, but got devices={devices} and "
            f"out={out}"
        )
    if out is not None:
        return tuple(each.copy_(tensor) for each in out)
    return tuple(tensor.to(_device(device)) for device in devices or ())


def broadcast_coalesced(
    tensors: Sequence[Tensor], devices: Sequence[Any], buffer_size: int = 10485760
) -> list[list[Tensor]]:
    """Copies of all tensors for each device."""
    return [[tensor.to(_device(device)) for tensor in tensors] for device in devices]


def reduce_add(inputs: Sequence[Tensor], destination: Any = None) -> Tensor:
    """The sum, on one device."""
    where = inputs[0].device if destination is None else _device(destination)
    first, *others = inputs
    for other in others:
        if other.shape != first.shape:
            raise ValueError(
                f"input {len(others)} has invalid size: got "
                f"{'x'.join(map(str, other.shape))}, but expected {'x'.join(map(str, first.shape))}"
            )
    total: Any = first.to(where)
    for other in others:
        total = total + other.to(where)
    return total


def reduce_add_coalesced(
    inputs: Sequence[Sequence[Tensor]], destination: Any = None, buffer_size: int = 10485760
) -> tuple[Tensor, ...]:
    """The sums of several tensors."""
    return tuple(reduce_add(each, destination) for each in zip(*inputs, strict=True))


def scatter(
    tensor: Any,
    devices: Sequence[Any] | None = None,
    chunk_sizes: Sequence[int] | None = None,
    dim: int = 0,
    streams: Any = None,
    *,
    out: Any = None,
) -> tuple[Tensor, ...]:
    """A part for each device."""
    count = len(devices if devices is not None else out)
    parts = tensor.chunk(count, dim) if chunk_sizes is None else tensor.split(chunk_sizes, dim)
    if out is not None:
        return tuple(each.copy_(part) for each, part in zip(out, parts, strict=True))
    return tuple(
        part.to(_device(device)) for part, device in zip(parts, devices or (), strict=False)
    )


def gather(
    tensors: Sequence[Tensor], dim: int = 0, destination: Any = None, *, out: Any = None
) -> Tensor:
    """The parts in one tensor, on one device."""
    where = tensors[0].device if destination is None else _device(destination)
    parts: Any = [each.to(where) for each in tensors]
    whole: Any = cat(parts, dim)
    return whole if out is None else out.copy_(whole)
