"""The names that a PyTorch file may use, each with what it stands for here.

Nothing is imported by name: what is not in this table does not exist. Each builder checks the
number and the exact types of its arguments.
"""

from __future__ import annotations

import functools
import importlib
from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from kuai.engine.tensor import Tensor, formats, from_array
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import DTYPES, dtype, float16, float32, float64
from kuai.engine.tensor.layouts import Layout
from kuai.engine.tensor.modes import no_grad
from kuai.engine.tensor.size import Size
from kuai.errors import printable
from kuai.nn.parameter import Buffer, Parameter
from kuai.saving import numpy_values
from kuai.saving.budget import Budget
from kuai.saving.element_types import DTYPE_OF_STORAGE, UNTYPED
from kuai.saving.interpreter import Builder
from kuai.saving.keys import Hashes, keys_budget
from kuai.saving.refusals import Refused, exactly
from kuai.saving.storages import Storages, StorageType, Stored

__all__ = ["Tensors", "checked_bits", "known_names"]

_TENSOR_TYPE = Builder("torch.Tensor", lambda arguments: _wrong("torch.Tensor"))
_LAZY = {"conj": np.conjugate, "neg": np.negative}
_T = TypeVar("_T", bound=Tensor)
_NAMED = [getattr(formats, name) for name in formats.__all__]
_LAYOUTS = {str(one): one for one in _NAMED if type(one) is formats.layout}
_QUANTIZED = {str(o).replace(".", " "): o for o in _NAMED if type(o) is formats.qscheme}
_ATTRIBUTE_TYPES = (bool, int, float, str, type(None))


def known_names(tensors: Tensors) -> dict[str, Any]:
    """The table for a file with these tensors."""
    names: dict[str, Any] = {f"torch {kind.name}": kind for kind in DTYPES}
    names |= {
        f"torch {name}": StorageType(name, kind)
        for name, kind in [*DTYPE_OF_STORAGE.items(), (UNTYPED, None)]
    }
    names[f"torch.storage {UNTYPED}"] = StorageType(UNTYPED, None)
    names |= {**_QUANTIZED, "torch Tensor": _TENSOR_TYPE}
    names |= numpy_values.names(Builder)
    builders = {**_PYTHON, **numpy_values.builders(), **tensors.builders()}
    keys = keys_budget()
    make_set = functools.partial(_set, keys)
    builders["collections OrderedDict"] = functools.partial(_ordered_dict, keys)
    builders |= {f"{module} set": make_set for module in _BUILTINS}
    return names | {name: Builder(name.replace(" ", "."), f) for name, f in builders.items()}


def _wrong(name: str) -> Any:
    raise Refused(f"{name} is called with other arguments than PyTorch gives it")


# Values of Python ---------------------------------------------------------------------------------


def _ordered_dict(budget: Budget, arguments: tuple) -> OrderedDict:
    """An empty one; Python 2 gives its pairs at once, as lists of two."""
    if not arguments:
        return OrderedDict()
    if len(arguments) != 1:
        _wrong("collections.OrderedDict")
    pairs = exactly(arguments[0], list, "the items of an OrderedDict")
    for pair in pairs:
        if len(exactly(pair, list, "an item of an OrderedDict")) != 2:
            _wrong("collections.OrderedDict")
    Hashes(budget).check_all([key for key, _ in pairs])
    return OrderedDict(pairs)


def _counter(arguments: tuple) -> Counter:
    if len(arguments) != 1:
        _wrong("collections.Counter")
    counts = exactly(arguments[0], dict, "the counts of a Counter")
    for count in counts.values():
        exactly(count, int, "a count")
    return Counter(counts)


def _namespace(arguments: tuple) -> Namespace:
    return Namespace() if not arguments else _wrong("argparse.Namespace")


def _set(budget: Budget, arguments: tuple) -> set:
    if len(arguments) != 1:
        _wrong("set")
    items = exactly(arguments[0], list, "what a set is made of")
    Hashes(budget).check_all(items)
    return set(items)


def _bytearray(arguments: tuple) -> bytearray:
    if len(arguments) > 1:
        _wrong("bytearray")
    return bytearray(*(exactly(part, bytes, "what a bytearray is made of") for part in arguments))


def _no_bytes(arguments: tuple) -> bytes:
    return b"" if not arguments else _wrong("bytes")


def _complex(arguments: tuple) -> complex:
    if len(arguments) != 2:
        _wrong("complex")
    return complex(*(exactly(part, float, "a part of a complex number") for part in arguments))


def _encoded(arguments: tuple) -> bytes:
    """How pickle writes bytes in protocol 2."""
    if len(arguments) != 2 or arguments[1] != "latin1":
        _wrong("_codecs.encode")
    try:
        return exactly(arguments[0], str, "the text of bytes").encode("latin1")
    except UnicodeEncodeError as error:
        raise Refused("bytes are written with characters that are no bytes") from error


def _size(arguments: tuple) -> Size:
    if len(arguments) != 1:
        _wrong("torch.Size")
    sizes = exactly(arguments[0], tuple, "a torch.Size")
    return Size(exactly(size, int, "a number in a torch.Size") for size in sizes)


def _device(arguments: tuple) -> device:
    if not 1 <= len(arguments) <= 2:
        _wrong("torch.device")
    kind = exactly(arguments[0], str, "the type of a torch.device")
    index = exactly(arguments[1], int, "the index of a torch.device") if arguments[1:] else None
    try:
        return device("tpu" if kind == "xla" else kind, index)
    except RuntimeError as error:
        raise Refused(str(error)) from error


_PYTHON: dict[str, Callable[[tuple], Any]] = {
    "_codecs encode": _encoded,
    "argparse Namespace": _namespace,
    "collections Counter": _counter,
    "torch Size": _size,
    "torch device": _device,
}
_BUILTINS = ("__builtin__", "builtins")
for _module in _BUILTINS:
    _PYTHON |= {
        f"{_module} bytearray": _bytearray,
        f"{_module} bytes": _no_bytes,
        f"{_module} complex": _complex,
    }


# Tensors ------------------------------------------------------------------------------------------


class Tensors:
    """What rebuilds tensors on the storages of one file.

    A subclass may make something else of the descriptions, once they are checked.
    """

    made: type = Tensor

    def __init__(self, storages: Storages):
        self._storages = storages

    # What is made -----------------------------------------------------------------------------

    def on_storage(self, stored: Any, kind: dtype | None, window: Layout, bits: tuple) -> Any:
        """A tensor on a storage."""
        with no_grad():
            tensor = self._storages.tensor(stored, kind, window)
            for name in checked_bits(bits, tensor.dtype):
                self._storages.count_copy(tensor.nbytes)
                # in NumPy: XLA would compile a program for each size
                read = concrete(tensor, "loading")
                tensor = from_array(_LAZY[name](read), tensor.device)
        return tensor

    def parameter(self, data: Any) -> Any:
        """A parameter on a tensor."""
        parameter = Parameter(data.detach(), requires_grad=False)
        parameter._cache = data._cache  # what a view has read, it need not read again
        return parameter

    def buffer(self, data: Any) -> Any:
        """A buffer on a tensor."""
        return Buffer(data)

    def attach(self, tensor: Any, name: str, value: Any) -> None:
        """Give a tensor an attribute."""
        setattr(tensor, name, value)

    # How it is described ----------------------------------------------------------------------

    def builders(self) -> dict[str, Callable[[tuple], Any]]:
        """The functions of PyTorch that files call to rebuild tensors."""
        sparse: dict[str, Callable[[tuple], Any]] = {
            "torch._utils _rebuild_sparse_tensor": _sparse,
            "torch.serialization _get_layout": _layout,
        }
        return {
            **(sparse if self.made is Tensor else {}),
            "torch._utils _rebuild_tensor": self._first_tensor,
            "torch._utils _rebuild_tensor_v2": self._tensor,
            "torch._utils _rebuild_tensor_v3": self._tensor_with_dtype,
            "torch._utils _rebuild_parameter": self._parameter,
            "torch._utils _rebuild_parameter_with_state": self._parameter_with_state,
            "torch._tensor _rebuild_from_type_v2": self._tensor_with_state,
        }

    def _tensor(self, arguments: tuple) -> Tensor:
        if not 6 <= len(arguments) <= 7:
            _wrong("torch._utils._rebuild_tensor_v2")
        return self._built(arguments[:6], None, arguments[6:])

    def _first_tensor(self, arguments: tuple) -> Tensor:
        """A tensor of a file from before 0.4, when only variables required gradients."""
        if len(arguments) != 4:
            _wrong("torch._utils._rebuild_tensor")
        return self._built((*arguments, False, OrderedDict()), None, ())

    def _tensor_with_dtype(self, arguments: tuple) -> Tensor:
        if not 7 <= len(arguments) <= 8:
            _wrong("torch._utils._rebuild_tensor_v3")
        kind = exactly(arguments[6], dtype, "the element type of a tensor")
        return self._built(arguments[:6], kind, arguments[7:])

    def _built(self, described: tuple, kind: dtype | None, bits: tuple) -> Tensor:
        stored, offset, shape, strides, requires_grad, hooks = described
        _check_no_hooks(hooks)
        for numbers in (shape, strides):
            if type(numbers) not in (tuple, Size):
                _wrong("torch._utils._rebuild_tensor")
        start = stored.start if type(stored) is Stored else 0
        window = Layout(tuple(shape), tuple(strides), exactly(offset, int, "an offset") + start)
        return _requiring(self.on_storage(stored, kind, window, bits), requires_grad)

    def _parameter(self, arguments: tuple) -> Parameter:
        if len(arguments) != 3:
            _wrong("torch._utils._rebuild_parameter")
        data, requires_grad, hooks = arguments
        _check_no_hooks(hooks)
        if not isinstance(data, self.made):
            _wrong("torch._utils._rebuild_parameter")
        return _requiring(self.parameter(data), requires_grad)

    def _parameter_with_state(self, arguments: tuple) -> Parameter:
        if len(arguments) != 4:
            _wrong("torch._utils._rebuild_parameter_with_state")
        return self._with_attributes(self._parameter(arguments[:3]), arguments[3])

    def _tensor_with_state(self, arguments: tuple) -> Tensor:
        """A tensor or buffer with attributes: (rebuild function, type, its arguments, state)."""
        if len(arguments) != 4 or arguments[1] is not _TENSOR_TYPE:
            _wrong("torch._tensor._rebuild_from_type_v2")
        function, _, described, state = arguments
        exactly(function, Builder, "what rebuilds a tensor")
        if function.build not in (self._tensor, self._tensor_with_dtype):
            _wrong("torch._tensor._rebuild_from_type_v2")
        tensor = function.build(exactly(described, tuple, "the description of a tensor"))
        state = dict(exactly(state, dict, "the attributes of a tensor"))
        if state.pop("_is_buffer", False) is True:
            tensor = self.buffer(tensor)
        return self._with_attributes(tensor, state)

    def _with_attributes(self, tensor: Any, state: Any) -> Any:
        for name, value in exactly(state, dict, "the attributes of a tensor").items():
            usable = type(name) is str and name.isidentifier() and not name.startswith("_")
            if not usable or hasattr(Tensor, name) or type(value) not in _ATTRIBUTE_TYPES:
                raise Refused(f"a tensor has an attribute {name!r} of type {type(value).__name__}")
            self.attach(tensor, name, value)
        return tensor


def _layout(arguments: tuple) -> formats.layout:
    name = exactly(arguments[0], str, "a layout") if len(arguments) == 1 else ""
    return _LAYOUTS[name] if name in _LAYOUTS else _wrong("torch.serialization._get_layout")


def _sparse(arguments: tuple) -> Tensor:
    """A sparse tensor of its layout and its parts; all its indices are looked at."""
    name = "torch._utils._rebuild_sparse_tensor"
    if len(arguments) != 2:
        _wrong(name)
    layout, parts = arguments
    count = {formats.sparse_coo: 2, formats.sparse_csr: 3, formats.sparse_csc: 3}
    if type(layout) is not formats.layout or layout not in count:
        raise Refused(f"{name} is called for the layout {printable(str(layout))}")
    parts = exactly(parts, tuple, "the parts of a sparse tensor")
    tensors, rest = parts[: count[layout]], parts[count[layout] :]
    flags = rest[1:]
    is_coo = layout is formats.sparse_coo
    if len(rest) not in ((1, 2) if is_coo else (1,)) or not all(type(f) is bool for f in flags):
        _wrong(name)
    if type(rest[0]) not in (tuple, Size) or not all(type(size) is int for size in rest[0]):
        _wrong(name)
    if not all(type(tensor) is Tensor for tensor in tensors):
        _wrong(name)
    options = {"is_coalesced": flags[0]} if flags else {}
    make = getattr(importlib.import_module("kuai.sparse"), f"{str(layout)[6:]}_tensor")
    try:
        return make(*tensors, tuple(rest[0]), check_invariants=True, **options)
    except (RuntimeError, NotImplementedError) as error:
        raise Refused(f"a sparse tensor in it is not well formed: {error}") from error


def _check_no_hooks(hooks: Any) -> None:
    if exactly(hooks, OrderedDict, "the hooks of a tensor"):
        raise Refused("a tensor has hooks, which would be code")


def checked_bits(bits: tuple, kind: dtype) -> list[str]:
    """The lazy operations PyTorch had not yet done: 'conj' and 'neg' (the imaginary part of it)."""
    marks = exactly(bits[0], dict, "the marks of a tensor") if bits else {}
    found = [name for name, there in marks.items() if there is True]
    possible = {"conj"} if kind.is_complex else set()
    possible |= {"neg"} if kind.is_complex or kind in (float16, float32, float64) else set()
    if not set(marks) <= {"conj", "neg"} or not possible.issuperset(found):
        _wrong("torch._utils._rebuild_tensor")
    return found


def _requiring(tensor: _T, requires_grad: Any) -> _T:
    if exactly(requires_grad, bool, "requires_grad"):
        if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
            raise Refused(f"a tensor of {tensor.dtype} requires a gradient")
        tensor.requires_grad = True
    return tensor
