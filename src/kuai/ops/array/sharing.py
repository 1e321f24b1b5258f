"""Tensors that several processes read and write: sharing them, and sending them to a process."""

from __future__ import annotations

import os
import warnings
import weakref
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen
from typing import Any

import jax
import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes
from kuai.engine.tensor.layouts import layout_of
from kuai.engine.tensor.shared import shares
from kuai.engine.tensor.shared_storage import attached, descriptor_of, share
from kuai.ops.array.strided import as_strided

__all__ = ["reduce_tensor", "reduced_by_path", "register", "share_memory"]


def share_memory(tensor: Tensor) -> None:
    """Move the memory of a tensor to where other processes can read and write it."""
    if tensor.device.type != "cpu":
        warnings.warn(
            f"share_memory_() shares nothing on '{tensor.device}': XLA has no memory there that "
            "two processes could use, so another process is given a copy",
            stacklevel=3,
        )
        return
    register()
    share(tensor._storage)


def register() -> None:
    """Have tensors sent by `reduce_tensor`, whichever part of `multiprocessing` sends them."""
    reduction.ForkingPickler.register(Tensor, reduce_tensor)


def reduce_tensor(tensor: Tensor) -> tuple[Any, ...]:
    """What a tensor is sent to another process as: its shared memory, or a copy of its values.

    Raises:
        RuntimeError: it is the result of an operation that requires a gradient.
    """
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the data, "
            "call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    if not shares(tensor._storage):
        return tensor.__reduce_ex__(2)  # pyright: ignore[reportReturnType]
    return _rebuild, (_of_duplicate, _duplicate(descriptor_of(tensor._storage)), *_parts(tensor))


def _duplicate(descriptor: int) -> Any:
    """A descriptor as it is pickled; a process that is being started inherits each of them once."""
    starting: Any = get_spawning_popen()
    if starting is None:
        return reduction.DupFd(descriptor)
    inherited = _inherited.setdefault(starting, {})
    if descriptor not in inherited:
        inherited[descriptor] = reduction.DupFd(descriptor)
    return inherited[descriptor]


_inherited: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # process -> its descriptors


def reduced_by_path(tensor: Tensor) -> tuple[Any, ...] | None:
    """A shared tensor for processes that open its memory while this one has it.

    None where the system has no such path, or the tensor is not shared.
    """
    path = f"/proc/{os.getpid()}/fd"
    if not shares(tensor._storage) or not os.path.isdir(path):
        return None
    return _rebuild, (_of_path, f"{path}/{descriptor_of(tensor._storage)}", *_parts(tensor))


def _parts(tensor: Tensor) -> tuple:
    array = tensor._storage.held
    if tensor._steps is not None and tensor.dtype.jax != array.dtype:
        raise RuntimeError(
            f"a view of shared memory in another dtype ({tensor.dtype}) cannot be sent: send the "
            "tensor that it is a view of, and make the view in the other process"
        )
    kind = dtypes.from_jax(array.dtype)
    window = None if tensor._steps is None else tuple(layout_of(tensor))
    return tuple(array.shape), kind, tensor.device, window, tensor.requires_grad


def _of_duplicate(duplicate: Any) -> int:
    return duplicate.detach()


def _of_path(path: str) -> int:
    return os.open(path, os.O_RDWR)


def _rebuild(
    open_: Any, source: Any, shape: tuple, kind: dtypes.dtype, place: devices.device,
    window: tuple | None, requires_grad: bool,
) -> Tensor:  # fmt: skip
    register()
    made = object.__new__(Tensor)
    where = jax.sharding.SingleDeviceSharding(devices.jax_device(place))
    made._storage = attached(open_(source), shape, np.dtype(kind.jax), where)
    if window is not None:
        made = as_strided(made, *window)
    return made.detach().requires_grad_() if requires_grad else made
