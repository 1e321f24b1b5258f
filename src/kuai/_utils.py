"""`kuai._utils`: helpers of PyTorch's that packages take from there."""

from __future__ import annotations

import importlib
import itertools
import sys
import types
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from kuai.cuda import device_count
from kuai.data.failures import Failure
from kuai.engine.tensor import Tensor, devices
from kuai.nn.parameter import Parameter
from kuai.ops.array.joining import cat

__all__: list[str] = []


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a device.

    Example:
        >>> kuai._utils._get_device_index("cuda:1"), kuai._utils._get_device_index(2)
        (1, 2)
    """
    if isinstance(device, int):
        return device
    if device is None and optional:
        return 0
    found = devices.device(device) if isinstance(device, str) else device
    if not isinstance(found, devices.device):
        raise ValueError(
            f"Expected a torch.device with a specified index or an integer, but got:{device}"
        )
    if found.type == "cpu":
        if not allow_cpu:
            raise ValueError(f"Expected a non cpu device, but got: {found}")
        return -1
    if found.index is None and not optional:
        raise ValueError(
            f"Expected a torch.device with a specified index or an integer, but got:{device}"
        )
    return found.index or 0


def _get_all_device_indices() -> list[int]:
    """The numbers of all GPUs."""
    return list(range(device_count()))


def _get_available_device_type() -> str | None:
    """The kind of accelerator that there is."""
    return "cuda" if device_count() else None


def _get_device_module(device_type: str) -> types.ModuleType:
    """The module of a kind of devices.

    Example:
        >>> kuai._utils._get_device_module("cuda").__name__
        'kuai.cuda'
    """
    try:
        return importlib.import_module(f"kuai.{device_type}")
    except ImportError:
        raise RuntimeError(
            f"Device '{device_type}' does not have a corresponding module registered as "
            f"'torch.{device_type}'."
        ) from None


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """All elements in one tensor.

    Example:
        >>> kuai._utils._flatten_dense_tensors([kuai.zeros(1, 2), kuai.ones(1)])
        tensor([0., 0., 1.])
    """
    if not tensors:
        raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
    return cat([each.reshape(-1) for each in tensors])  # pyright: ignore[reportArgumentType]


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The parts of a flat tensor in the shapes of others."""
    ends = itertools.accumulate(each.numel() for each in tensors)
    parts: Any = flat
    return tuple(
        parts[end - each.numel() : end].view(each.shape)
        for end, each in zip(ends, tensors, strict=True)
    )


def _take_tensors(tensors: Iterable[Tensor], size_limit: int) -> Iterable[list[Tensor]]:
    """Lists of tensors of one dtype, of at most so many bytes each where that is possible."""
    lists: dict[Any, list[Tensor]] = {}
    sizes: dict[Any, int] = {}
    for each in tensors:
        kind, size = each.type(), each.numel() * each.element_size()
        if lists.get(kind) and sizes[kind] + size > size_limit:
            yield lists.pop(kind)
            sizes[kind] = 0
        lists.setdefault(kind, []).append(each)
        sizes[kind] = sizes.get(kind, 0) + size
    yield from lists.values()


def _reorder_tensors_as(tensors: Iterable[Tensor], ordered_tensors: Iterable[Tensor]) -> Any:
    """The tensors in the order of the dtypes of others."""
    queues: dict[Any, list[Tensor]] = {}
    for each in tensors:
        queues.setdefault(each.type(), []).append(each)
    iterators = {kind: iter(queue) for kind, queue in queues.items()}
    return tuple(next(iterators[each.type()]) for each in ordered_tensors)


def _import_dotted_name(name: str) -> Any:
    """What is found under a dotted name.

    Example:
        >>> kuai._utils._import_dotted_name("math.pi")
        3.141592653589793
    """
    first, *rest = name.split(".")
    found: Any = importlib.import_module(first)
    for part in rest:
        found = getattr(found, part)
    return found


class classproperty:
    """A property of a class, not of its objects."""

    def __init__(self, func: Any):
        self.func = func

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self.func(owner)


def is_compiling() -> bool:
    """Whether a function is being compiled: see `kuai.compiler.is_compiling`."""
    return importlib.import_module("kuai.compiler").is_compiling()


class ExceptionWrapper:
    """An exception that comes from elsewhere, with its traceback as text.

    Example:
        >>> try:
        ...     raise KeyError("x")
        ... except KeyError as error:
        ...     found = kuai._utils.ExceptionWrapper((KeyError, error, None), where="in a thread")
        >>> found.exc_type.__name__, found.exc_msg.splitlines()[-1]
        ('KeyError', "KeyError: 'x'")
    """

    def __init__(self, exc_info: Any = None, where: str = "in background"):
        error: Any = (sys.exc_info() if exc_info is None else exc_info)[1]
        failure = Failure(error, where)
        self._failure, self.where = failure, where
        self.exc_type, self.exc_msg = failure.kind, failure.text

    def reraise(self) -> NoReturn:
        """Raise an exception of the same kind, with the traceback in its text."""
        self._failure.reraise()


# What stands in PyTorch's files -------------------------------------------------------------------


def _rebuild_tensor(storage: Any, storage_offset: int, size: Any, stride: Any) -> Tensor:
    """A tensor of what a storage holds."""
    return storage._whole().flatten().as_strided(size, stride, storage_offset)


def _rebuild_tensor_v2(
    storage: Any,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """The same, with what a tensor has besides."""
    made = _rebuild_tensor(storage, storage_offset, size, stride)
    return made.requires_grad_() if requires_grad else made


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """A parameter of a tensor."""
    return Parameter(data, requires_grad)
