"""Samples made into a batch: numbers, arrays and tensors are stacked, containers part by part.

What is done with a type stands in `default_collate_fn_map`, which a program may extend.

A worker process has no use for JAX: it stacks with NumPy, and the process that asked for the batch
makes the tensors. So whatever becomes a tensor goes through `_tensor`, and inside of `on_host` that
only notes that it is to become one. Nothing of a program's own runs inside of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kuai.data.containers import mapping_like, sequence_like
from kuai.engine.tensor import Tensor, from_array, modes
from kuai.engine.tensor.calls import recorder
from kuai.engine.tensor.overriding import is_of_the_real_torch, named
from kuai.engine.tensor.placing import aligned
from kuai.engine.tensor.views import on_host as memory_on_host, value
from kuai.ops.array import creation, existing_data, index_plan, joining
from kuai.ops.array.nested import supported
from kuai.ops.array.numpy_arrays import memory_of

__all__ = [
    "Pending",
    "collate",
    "collate_on_host",
    "default_collate",
    "default_collate_fn_map",
    "default_convert",
    "for_host",
    "on_host",
    "rows",
    "rows_on_host",
]

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


class Pending:
    """An array that becomes a tensor in the process that it is sent to."""

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


_tensor: Callable[[np.ndarray], Any] = from_array


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Leave making the tensors to the process that the batch is sent to."""
    global _tensor
    _tensor = Pending
    try:
        yield
    finally:
        _tensor = from_array


def rows(tensors: Sequence[Tensor], indices: Any) -> list[Any]:
    """Rows of tensors, as a batch."""
    places = np.asarray(indices, np.int64)
    if _on_cpu(tensors):  # NumPy is quicker than a program that is started for a few rows
        return [from_array(_taken(_readable(each), places), "cpu") for each in tensors]
    chosen = from_array(places)
    return [tensor[chosen] for tensor in tensors]


def _readable(tensor: Tensor) -> np.ndarray:
    memory = memory_of(tensor)
    return np.asarray(value(tensor)) if memory is None else memory


def _taken(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    if places.min() < -len(array) or places.max() >= len(array):
        return array[places]  # which says what is wrong
    out = aligned((len(places), *array.shape[1:]), array.dtype)
    return np.take(array, places, axis=0, out=out, mode="wrap")


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    first = arrays[0]
    return np.stack(arrays, out=aligned((len(arrays), *first.shape), first.dtype))


def rows_of_one(tensors: Sequence[Tensor]) -> tuple[np.ndarray, np.ndarray] | None:
    """The memory of which tensors are rows, all of the same, and the rows' numbers; or None.

    A data set that answers with `self.x[i]` gives such rows: nobody has read them yet, and here all
    are read at once.
    """
    first = tensors[0]
    if type(first) is not Tensor:
        return None
    storage, base, steps = first._storage, first._base, first._steps
    if modes.state.capture is not None or steps is None or len(steps) != 1 or base is None:
        return None
    view, plan, _ = steps[0]
    if view is not index_plan.select_window or plan != index_plan.rows_plan(len(plan)):
        return None
    if base.requires_grad or base._specified is not None:
        return None
    places = []
    for each in tensors:
        if type(each) is not Tensor or each._storage is not storage or each._base is not base:
            return None
        if each._requires_grad or each._node is not None or len(each._steps) != 1:  # type: ignore[arg-type]
            return None
        own_view, own_plan, numbers = each._steps[0]  # type: ignore[index]
        if own_view is not view or own_plan is not plan or type(numbers[0]) is not int:
            return None
        places.append(numbers[0])
    memory = memory_on_host(storage)
    return None if memory is None else (memory, np.array(places))


def rows_on_host(tensors: Sequence[Tensor], indices: Any) -> list[Any]:
    """The same, for a process that sends the batch to another one."""
    places = np.asarray(indices, np.int64)
    return [Pending(_readable(tensor)[places]) for tensor in tensors]


# One sample ---------------------------------------------------------------------------------------


def default_convert(data: Any) -> Any:
    """Arrays as tensors, in tuples, lists and dicts part by part; anything else as it is.

    Example:
        >>> import numpy
        >>> kuai.data.default_convert({"x": numpy.arange(2), "name": "a"})
        {'x': tensor([0, 1]), 'name': 'a'}
    """
    if isinstance(data, Tensor):
        return data
    if type(data).__module__ == "numpy" and isinstance(data, (np.generic, np.ndarray)):
        return data if data.dtype.kind in "SUO" else _tensor(supported(np.array(data)))
    if isinstance(data, Mapping):
        return mapping_like(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        parts = [default_convert(part) for part in data]
        return type(data)(*parts) if hasattr(data, "_fields") else parts
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return sequence_like(data, [default_convert(part) for part in data])
    return data


# A batch ------------------------------------------------------------------------------------------


def default_collate(batch: Any) -> Any:
    """Stack samples: numbers, arrays and tensors become tensors, in tuples and dicts part by part.

    Strings and bytes stay a list. For a type of one's own, add a function to
    `kuai.utils.data._utils.collate.default_collate_fn_map`, as in PyTorch.

    Example:
        >>> kuai.data.default_collate([{"x": 1, "y": (2.0, "a")}, {"x": 3, "y": (4.0, "b")}])
        {'x': tensor([1, 3]), 'y': [tensor([2., 4.], dtype=torch.float64), ('a', 'b')]}
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """A batch of samples, by a table of functions for the types of what is in them.

    Args:
        batch: the samples.
        collate_fn_map: for a type, or a tuple of types, the function that makes one of many:
            it is called with the many and `collate_fn_map=`. Without it containers are taken
            apart, and nothing else is known.

    Example:
        >>> from kuai.utils.data._utils.collate import collate
        >>> collate([["a", 1j], ["b", 2j]], collate_fn_map={str: lambda many, **_: "".join(many),
        ...                                                complex: lambda many, **_: sum(many)})
        ['ab', 3j]
    """
    first = batch[0]
    function = _function_for(first, collate_fn_map or {})
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)

    def together(parts: Any) -> Any:
        return collate(parts, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return mapping_like(first, {key: together([each[key] for each in batch]) for key in first})
    if hasattr(first, "_fields") and isinstance(first, tuple):
        return type(first)(*map(together, zip(*batch, strict=False)))
    if isinstance(first, Sequence):
        if any(len(each) != len(first) for each in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [together(part) for part in zip(*batch, strict=True)]
        return parts if isinstance(first, tuple) else sequence_like(first, parts)
    raise TypeError(default_collate_err_msg_format.format(_shown(type(first))))


def _shown(kind: type) -> str:
    return named(kind) if is_of_the_real_torch(kind) else str(kind)


def _function_for(first: Any, table: dict[Any, Callable]) -> Callable | None:
    if type(first) in table:
        return table[type(first)]
    return next((table[kind] for kind in table if isinstance(first, kind)), None)


# What is stacked ----------------------------------------------------------------------------------


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Tensors along a new first dimension."""
    taken = rows_of_one(batch)
    if taken is not None:
        return _tensor(_taken(*taken))
    if _on_cpu(batch):  # then no program has to be compiled for the size of the batch
        arrays = [_readable(each) for each in batch]
        first = arrays[0]
        if all(each.shape == first.shape and each.dtype == first.dtype for each in arrays):
            return _tensor(_stacked(arrays))
    return joining.stack(list(batch))  # pyright: ignore[reportArgumentType]


def _on_cpu(batch: Any) -> bool:
    """Whether the tensors are plain arrays in this process's memory."""
    if modes.state.capture is not None or recorder() is not None:
        return False
    return all(
        isinstance(each, Tensor)
        and each.device.type == "cpu"
        and not each.requires_grad
        and each._specified is None
        for each in batch
    )


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Arrays along a new first dimension."""
    first = batch[0]
    if first.dtype.kind in "SUO":
        raise TypeError(default_collate_err_msg_format.format(first.dtype))
    if all(_is_like(first, each) for each in batch):
        return _tensor(supported(_stacked([np.asarray(each) for each in batch])))
    return collate([existing_data.as_tensor(each) for each in batch], collate_fn_map=collate_fn_map)


def _is_like(first: np.ndarray, other: Any) -> bool:
    same_kind = isinstance(other, np.ndarray)
    return same_kind and other.shape == first.shape and other.dtype == first.dtype


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """NumPy's numbers as a tensor of their type."""
    return _numbers(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Numbers as a tensor of float64."""
    return _tensor(np.asarray(batch, np.float64))


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Numbers as a tensor."""
    return _numbers(batch)


def _numbers(batch: Any) -> Any:
    kind = type(batch[0])
    if all(type(each) is kind for each in batch):
        array = np.asarray(batch)
        if array.dtype in (np.int64, np.bool_) or issubclass(kind, np.number):
            return _tensor(supported(array))
    made = creation.tensor(list(batch))
    return made if _tensor is from_array else _tensor(np.asarray(made))


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Texts as they are."""
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
_OWN = dict(default_collate_fn_map)


# In a worker --------------------------------------------------------------------------------------


def collate_on_host(batch: Any) -> Any:
    """`default_collate` for a process that sends the batch to another one."""
    with on_host():
        return default_collate(batch)


def convert_on_host(data: Any) -> Any:
    """`default_convert` for a process that sends the sample to another one."""
    with on_host():
        return default_convert(data)


def for_host(collate_fn: Callable) -> Callable:
    """The same function, for a process that sends what it gives to another one.

    Functions of a program may do with tensors whatever they like, so they are given some.
    """
    if default_collate_fn_map != _OWN:
        return collate_fn
    known = {default_collate: collate_on_host, default_convert: convert_on_host}
    return next((ours for own, ours in known.items() if own is collate_fn), collate_fn)
