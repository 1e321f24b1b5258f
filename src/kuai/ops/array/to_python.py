"""Out of the world of tensors: Python numbers and lists, NumPy, DLPack, text, copies and pickles.

What needs concrete values raises `DataDependentError` inside a compiled step.
"""

import copy
import warnings
from typing import Any

import jax
import jax.core
import numpy as np

from kuai.engine.autograd.duals import tangent_of
from kuai.engine.op import composite
from kuai.engine.tensor import (
    Tensor,
    devices,
    dtypes,
    from_array,
    method,
    modes,
    printing,
    views,
)
from kuai.engine.tensor.attributes import own, users
from kuai.engine.tensor.concrete import concrete, truth
from kuai.engine.tensor.placeholder import resolved
from kuai.ops import outdated
from kuai.ops.array.conversion import numel
from kuai.ops.array.numpy_arrays import shared_array
from kuai.ops.array.shaping import shape_of

# Python and NumPy ---------------------------------------------------------------------------------


@composite(function=False)
def item(self) -> int | float | bool:
    """The value of a tensor with one element, as a Python number.

    Example:
        >>> kuai.tensor([2.5]).item()
        2.5
    """
    if numel(self) != 1:
        raise RuntimeError(f"a Tensor with {numel(self)} elements cannot be converted to Scalar")
    return _python(concrete(self, "item()").reshape(()))


def _python(array):
    """A NumPy array as (nested lists of) Python numbers, also for types NumPy does not know."""
    kind = array.dtype
    if kind.isbuiltin != 1 and (kind.kind == "V" or kind.name.startswith(("bfloat", "float8"))):
        array = array.astype(np.float32)
    return array.tolist()


@composite(function=False)
def tolist(self) -> Any:
    """The values as nested lists of Python numbers.

    Example:
        >>> kuai.tensor([[1, 2]]).tolist()
        [[1, 2]]
    """
    return _python(concrete(self, "tolist()"))


@composite(function=False)
def numpy(self, *, force=False) -> np.ndarray:
    """The values as a NumPy array, which has the tensor's memory: each sees the other's changes.

    Args:
        force: take a tensor that requires a gradient, or that lies on another device: a copy then.

    Example:
        >>> x = kuai.ones(2)
        >>> array = x.numpy()
        >>> _ = x.add_(1)
        >>> array[0] = 5
        >>> array, x
        (array([5., 2.], dtype=float32), tensor([5., 2.]))

    Raises:
        RuntimeError: the tensor requires a gradient.
        TypeError: it is not in host memory.
    """
    if not force:
        _check_is_plain(self)
    return shared_array(self)


def _check_is_plain(self):
    if self.requires_grad and modes.state.grad_enabled:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.device.type != "cpu":
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to "
            "copy the "
            "tensor to host memory first."
        )


def _array(self, dtype=None, copy=None):
    if copy or dtype is not None and self.dtype.jax != dtype:
        _check_is_plain(self)
        return np.array(concrete(self, "numpy()"), dtype)
    return numpy(self)


def _array_wrap(self, array, context=None, return_scalar=False):
    return from_array(np.asarray(array))


def _scalar(name, kind):
    tells = kind is not int

    def convert(self):
        if numel(self) != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if tells and self.requires_grad:
            outdated.tell("scalar")
        value = item(self)
        if isinstance(value, complex) and kind is not complex:
            if value.imag:
                c_name = {float: "double", int: "int64_t"}[kind]
                raise RuntimeError(f"value cannot be converted to type {c_name} without overflow")
            value = value.real
        return kind(value)

    convert.__name__ = convert.__qualname__ = name
    return convert


def _truth(self):
    count = numel(self)
    if count == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    if count > 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return truth(self)


def _index(self):
    if numel(self) != 1 or self.dtype.is_floating_point or self.dtype.is_complex:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


def _length(self):
    shape = shape_of(self)
    if not shape:
        raise TypeError("len() of a 0-d tensor")
    return shape[0]


def _iterate(self):
    if not shape_of(self):
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _contains(self, element):
    if not isinstance(element, (Tensor, int, float, complex, np.generic)):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{element.__class__}."
        )
    return bool((self == element).any())


def _format(self, spec):
    if not shape_of(self) and self.__class__ is Tensor:
        return item(self).__format__(spec)
    return object.__format__(self, spec) if spec else str(self)


def _represent(self):
    array = resolved(views.held(self), "a printed tensor")
    if isinstance(array, jax.core.Tracer):
        return f"tensor(<value unknown while compiling>, size={shape_of(self)}, dtype={self.dtype})"
    place = self.device
    node = self.grad_fn
    return printing.format_tensor(
        np.asarray(array),
        dtype_name=self.dtype.name,
        default_dtype=dtypes.get_default_dtype().name,
        device_text=None if place.type == "cpu" and not place.index else str(place),
        requires_grad=self.requires_grad,
        grad_fn_name=None if node is None else node.name().rpartition("::")[2],
        class_name=_class_name(self.__class__),
        tangent=_tangent_text(self),
    )


def _class_name(kind):
    """The word before the bracket: `tensor`, or the name of a subclass of the user's."""
    return "tensor" if kind.__module__.startswith("kuai.") else kind.__name__


def _tangent_text(tensor):
    levels = modes.state.levels
    tangent = tangent_of(tensor, levels[-1]) if levels else None
    return None if tangent is None else repr(tangent)


def _deepcopy(self, memo):
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the "
            "deepcopy protocol "
            "at the moment.  If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(self) in memo:
        return memo[id(self)]
    kind = Tensor if type(self).__module__.startswith("kuai.") else type(self)
    made = kind._share(_copied_storage(self, memo), self.requires_grad)
    made._steps = self._steps
    memo[id(self)] = made
    own(made).update(copy.deepcopy(users(self), memo))
    if self.grad is not None:
        made.grad = copy.deepcopy(self.grad, memo)
    return made


def _copied_storage(tensor, memo):
    """A copy of all that a tensor lies in: what shares memory shares it in the copies, too."""
    key = ("storage", id(tensor._storage))
    if key not in memo:
        whole = Tensor._share(tensor)
        whole._steps = None
        memo[key] = whole.clone(), whole  # the original lives until all is copied
    return memo[key][0]


#: What `copy.copy` leaves behind: a copy is a leaf on the same storage.
_HISTORY = {"_accumulator", "_base", "_grad", "_hooked", "_node", "_node_hooked", "_output"}
_HISTORY |= {"_grad_dtype", "_retains_grad"}


def _copy(self):
    made = object.__new__(self.__class__)
    own(made).update({k: v for k, v in own(self).items() if k not in _HISTORY})
    if self.requires_grad:
        made.requires_grad = True
    return made


def _rebuild(array, kind, place, requires_grad):
    place = (
        place if devices.device_count(place.type) else None
    )  # saved on a device not present here
    return from_array(array.view(kind.jax), place, requires_grad)


def _rebuild_with_attributes(kind, parts, attributes):
    plain = _rebuild(*parts)
    made = plain if kind is Tensor else kind._share(plain, plain.requires_grad)
    own(made).update(attributes)
    return made


def warn_if_has_hooks(tensor) -> None:
    """Warn that hooks are not written to files, but of those that are marked as such."""
    hooks = tensor._hooked and tensor._hooked.output_hooks
    for hook in hooks.get(0, {}).values() if hooks else ():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning",
                stacklevel=2,
            )


def _reduce(self, protocol):
    warn_if_has_hooks(self)
    array = concrete(self.detach(), "pickling")
    kind = self.dtype
    if array.dtype.kind == "V" or array.dtype.name.startswith(("bfloat", "float8")):
        array = array.view(f"u{kind.itemsize}")  # so that reading needs no extension type
    parts = array, kind, self.device, self.requires_grad
    attributes = users(self)
    if type(self).__module__.startswith("kuai.") and not attributes:
        return _rebuild, parts
    return _rebuild_with_attributes, (type(self), parts, attributes)


def _dlpack(self, **keywords):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    concrete(self, "DLPack")
    if self.device.type == "cpu" and not keywords.get("copy"):
        array = shared_array(self, "DLPack")
        if array.flags.writeable and array.dtype.kind in "biufc":  # NumPy offers its own kinds only
            return array.__dlpack__(**keywords)
    return views.value(self).__dlpack__(**keywords)


def _dlpack_device(self):
    return views.value(self).__dlpack_device__()


def _reversed(self):
    return self.flip(0) if shape_of(self) else self


for _name, _function in {
    "__array__": _array,
    "__array_wrap__": _array_wrap,
    "__float__": _scalar("__float__", float),
    "__int__": _scalar("__int__", int),
    "__complex__": _scalar("__complex__", complex),
    "__bool__": _truth,
    "__index__": _index,
    "__len__": _length,
    "__iter__": _iterate,
    "__contains__": _contains,
    "__format__": _format,
    "__repr__": _represent,
    "__deepcopy__": _deepcopy,
    "__copy__": _copy,
    "__reduce_ex__": _reduce,
    "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "__reversed__": _reversed,
}.items():
    method(_function, name=_name)

setattr(Tensor, "__array_priority__", 1000)  # noqa: B010 (no name of the stub's)
