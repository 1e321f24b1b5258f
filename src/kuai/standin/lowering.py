"""What a dispatch mode is told of a call: PyTorch's own operations, `aten`, that it is made of.

PyTorch's functions are written in terms of its own operations, and a dispatch mode sees those:
`linear` is `t` and `addmm`. Kuai's are single operations. The ones that programs meet most are
taken apart here as PyTorch does it; every other one is told as one call, under its own name.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import kuai
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.devices import CPU
from kuai.engine.tensor.dtypes import dtype
from kuai.engine.tensor.formats import contiguous_format
from kuai.standin.lowering_layers import LAYERS, Tell
from kuai.standin.overloads import normal_arguments

__all__ = ["operation_name", "tell"]

#: Kuai's names that are not PyTorch's.
_CALLED = {
    "invert": "bitwise_not", "permuted": "permute", "true_divide": "div", "multiply": "mul",
    "subtract": "sub", "negative": "neg", "absolute": "abs", "__and__": "bitwise_and",
    "__or__": "bitwise_or", "__xor__": "bitwise_xor", "item": "_local_scalar_dense",
    "concat": "cat", "concatenate": "cat", "greater": "gt", "less": "lt",
}  # fmt: skip
_OF_NUMBERS = {"full", "arange", "linspace", "logspace", "eye", "randint", "randperm"}
#: What computes nothing, and is no operation there.
_NO_OPERATION = {
    "numel", "tolist", "numpy", "dim", "size", "stride", "is_contiguous", "storage", "data_ptr",
    "untyped_storage", "backward", "requires_grad_", "nelement", "ndimension", "element_size",
    "storage_offset", "register_hook", "retain_grad", "is_floating_point", "is_complex", "cpu",
    "type_as", "__repr__", "__len__", "get_device", "is_pinned", "is_tensor", "share_memory_",
}  # fmt: skip


def operation_name(function: Callable) -> str | None:
    """PyTorch's name for what a function of Kuai's computes; None if it computes nothing.

    Example:
        >>> operation_name(kuai.Tensor.__add__), operation_name(kuai.numel)
        ('add', None)
    """
    name = getattr(function, "__name__", "")
    if not name or name in _NO_OPERATION:
        return None
    name = _CALLED.get(name, name)
    if name.startswith("__") and name.endswith("__"):
        name = {"__getitem__": "index", "__setitem__": "index_put_"}.get(name, name.strip("_"))
    return name


def tell(told: Tell, function: Callable, args: tuple, kwargs: dict) -> Any:
    """The result of `function(*args, **kwargs)`, where `told` is asked for each operation."""
    name = getattr(function, "__name__", "")
    if hasattr(function, "_opoverload"):  # one of a user's own
        return told(name, *args, function=function, **kwargs)
    if name in _NO_OPERATION:
        return function(*args, **kwargs)
    name = _CALLED.get(name, name)
    if name.startswith("__i") and name.endswith("__") and name != "__invert__":
        name = f"{name[3:-2]}_"
    if name in _OF_NUMBERS:
        return _number(told, function, args, kwargs)
    if name in _APART:
        return _APART[name](told, *args, **kwargs)
    placed, named = normal_arguments(function, args, kwargs)
    return told(name, *placed, function=function, **named)


def _flat(shape: tuple) -> list:
    """Sizes that were given one by one, or as one list."""
    return list(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else list(shape)


def _item(told: Tell, self: Tensor, index: Any):
    """`self[index]`: one operation for each number, slice and None; one for all tensors."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(not _is_basic(part) for part in parts):
        several = [part for part in parts if isinstance(part, Tensor)]
        if len(several) != len(parts):
            return told("index", self, index, function=Tensor.__getitem__)
        return told("index", self, several)
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        parts[place : place + 1] = [slice(None)] * (self.ndim - taken)
    dim, made = 0, self
    for part in parts:
        made, dim = _take(told, made, dim, part)
    return told("alias", self) if made is self else made


def _is_basic(part: Any) -> bool:
    return part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int


def _take(told: Tell, made: Tensor, dim: int, part: Any) -> tuple[Tensor, int]:
    """The tensor after one part of an index, and the dimension that the next one is for."""
    if part is None:
        return told("unsqueeze", made, dim), dim + 1
    if type(part) is int:
        return told("select", made, dim, part), dim
    if part == slice(None):
        return made, dim + 1
    start = 0 if part.start is None else part.start
    stop = sys.maxsize if part.stop is None else part.stop
    step = () if part.step in (None, 1) else (part.step,)
    return told("slice", made, dim, start, stop, *step), dim + 1


def _view(told: Tell, input: Tensor, *shape, **options):
    if options or not shape or isinstance(shape[0], dtype):
        return told("view", input, *shape, **options)
    return told("view", input, _flat(shape))


def _reshape(told: Tell, input: Tensor, *shape, **options):
    sizes = _flat(tuple(options.values()) or shape)
    known = -math.prod(sizes)
    full = [input.numel() // known if size == -1 and known else size for size in sizes]
    if list(input.shape) == full:
        return told("view", input, sizes)
    if input.is_contiguous():
        return told("view", input, full)
    return told("_unsafe_view", told("clone", input), full)


def _flatten(told: Tell, input: Tensor, start_dim: int = 0, end_dim: int = -1):
    first, last = start_dim % max(input.ndim, 1), end_dim % max(input.ndim, 1)
    if input.ndim and first == last:
        return input
    middle = math.prod(input.shape[first : last + 1])
    return _reshape(told, input, [*input.shape[:first], middle, *input.shape[last + 1 :]])


def _sized(name: str):
    """Operations whose sizes may be given one by one."""

    def lowered(told: Tell, input: Tensor, *sizes, **options):
        return told(name, input, _flat(sizes or tuple(options.values())))

    return lowered


#: What PyTorch passes on where no device is given.
_PLACE = {"device": CPU, "pin_memory": False}


def _number(told: Tell, function: Callable, args: tuple, kwargs: dict):
    """Tensors that are made of numbers: the device is said."""
    placed, named = normal_arguments(function, args, kwargs)
    name = function.__name__
    sizes = [list(each) if isinstance(each, (tuple, list)) else each for each in placed]
    return told(name, *sizes, function=function, **{**named, **_PLACE, **named})


def _made(name: str):
    """Tensors of a size: without one to begin from."""

    def lowered(told: Tell, *size, **options):
        shape = _flat(size) if size else _flat((options.pop("size"),))
        return told(name, shape, **{**options, **_PLACE, **options})

    return lowered


def _reduced(name: str):
    def lowered(told: Tell, input: Tensor, dim=None, keepdim=False, *, dtype=None, out=None):
        options = {k: v for k, v in {"dtype": dtype, "out": out}.items() if v is not None}
        if dim is None and not keepdim:
            return told(name, input, **options)
        dims = [dim] if isinstance(dim, int) else dim if dim is None else list(dim)
        return told(name, input, dims, *([True] if keepdim else []), **options)

    return lowered


def _extreme(name: str, of_two: str):
    def lowered(told: Tell, input: Tensor, dim=None, keepdim=False, **options):
        other = options.pop("other", None)
        if isinstance(dim, Tensor) or other is not None:
            return told(of_two, input, dim if other is None else other, **options)
        if dim is None:
            return told(name, input, **options)
        return told(name, input, dim, *([True] if keepdim else []), **options)

    return lowered


def _chunk(told: Tell, input: Tensor, chunks: int, dim: int = 0):
    size = max(-(-input.shape[dim] // chunks), 1)
    return told("split", input, size, *([dim] if dim else []))


def _unbind(told: Tell, input: Tensor, dim: int = 0):
    return told("unbind", input, *([dim] if dim else []))


def _set_item(told: Tell, self: Tensor, index: Any, value: Any):
    """`self[index] = value`: a view of the place, and what fills it."""
    parts = index if isinstance(index, tuple) else (index,)
    if not all(_is_basic(part) for part in parts):
        several = [part for part in parts if isinstance(part, Tensor)]
        if len(several) != len(parts) or not isinstance(value, Tensor):
            return told("index_put_", self, index, value, function=Tensor.__setitem__)
        told("index_put_", self, several, value)
        return None
    place = _item(told, self, index)
    told("copy_" if isinstance(value, Tensor) else "fill_", place, value)
    return None


def _type(told: Tell, self: Tensor, dtype=None, non_blocking=False):
    return self.type() if dtype is None else _to(told, self, self.type(dtype).dtype)


def _tensor(told: Tell, data, **options):
    made = kuai.tensor(data, **options)
    return told("lift_fresh", made)


def _norm(told: Tell, self: Tensor, p="fro", dim=None, keepdim=False, dtype=None):
    order = 2 if p in ("fro", None) else p
    if isinstance(order, str) or dtype is not None:
        return told("norm", self, p, dim, keepdim, dtype=dtype)
    dims = [dim] if isinstance(dim, int) else dim if dim is None else list(dim)
    rest = [order, dims, keepdim]
    while rest and rest[-1] == [2, None, False][len(rest) - 1]:
        rest.pop()
    return told("linalg_vector_norm", self, *rest)


def _div(told: Tell, input: Any, other: Any, **options):
    if not isinstance(input, Tensor) and not options.get("rounding_mode"):
        return told("mul", told("reciprocal", other), input)
    return told("div", input, other, **{k: v for k, v in options.items() if v is not None})


def _to(told: Tell, self: Tensor, *args, **options):
    """Nothing where the tensor is like that already; else a copy."""
    wanted = self.new_empty(0).to(*args, **{**options, "copy": False})
    given = args[0] if args else None
    kind = given.dtype if isinstance(given, Tensor) else wanted.dtype
    changes: dict = {"dtype": kind} if kind != self.dtype else {}
    if wanted.device != self.device:
        changes["device"] = wanted.device
    return told("_to_copy", self, **changes) if changes or options.get("copy") else self


def _cast(wanted: str):
    def lowered(told: Tell, self: Tensor, memory_format=None):
        return _to(told, self, getattr(self, wanted)().dtype)

    return lowered


def _contiguous(told: Tell, self: Tensor, memory_format=None):
    return self if self.is_contiguous() else told("clone", self, memory_format=contiguous_format)


def _spread(name: str):
    """Variances: PyTorch passes the correction on by name."""

    def lowered(told: Tell, input, dim=None, unbiased=None, keepdim=False, *, correction=None,
                out=None):  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        options = {} if correction is None else {"correction": correction}
        if unbiased is not None or (dim is not None and correction is None):
            options["correction"] = int(unbiased is not False)
        dims = () if dim is None else ([dim] if isinstance(dim, int) else list(dim),)
        return told(name, input, *dims, **options, **({"keepdim": True} if keepdim else {}))

    return lowered


_APART: dict[str, Callable] = {
    "__getitem__": _item, "type": _type,
    "view": _view, "reshape": _reshape, "flatten": _flatten, "div": _div, "to": _to,
    "contiguous": _contiguous,
    "chunk": _chunk, "unbind": _unbind, "__setitem__": _set_item,
    "tensor": _tensor, "norm_of": _norm, "norm": _norm,
    "std": _spread("std"),
    "var": _spread("var"), "sum": _reduced("sum"), "mean": _reduced("mean"),
    "max": _extreme("max", "maximum"), "min": _extreme("min", "minimum"),
    **{name: _sized(name) for name in (
        "permute", "repeat", "expand", "flip", "new_zeros", "new_ones", "new_empty", "tile")},
    **{name: _made(name) for name in ("zeros", "ones", "empty", "rand", "randn")},
    **{name: _cast(name) for name in (
        "double", "float", "half", "bfloat16", "int", "long", "bool", "short", "char", "byte")},
    **LAYERS,
}  # fmt: skip
