"""Parameter and Buffer: tensors that a module registers when they are assigned to it.

An uninitialized one knows its dtype and device but not yet its shape. It holds a `Nothing` where
other tensors hold an array, so every operation that reaches for its values gets an explanation.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes, from_array, overriding
from kuai.engine.tensor.attributes import users
from kuai.engine.tensor.storage import Storage
from kuai.nn.deferred import REMEMBERED, apply_remembered, remembering
from kuai.ops.array.conversion import targets

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


def _empty() -> Tensor:
    return from_array(np.empty(0, dtypes.default_float_jax()))


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    Args:
        data: the tensor whose storage it shares; default: an empty one.
        requires_grad: whether `backward()` computes its gradient.

    Example:
        >>> kuai.nn.Parameter(kuai.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __torch_function__ = staticmethod(overriding.disabled)

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        data = _empty() if data is None else data
        data = data if isinstance(data, Tensor) else data.detach()
        if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        kind = _of_users_class(type(data)) if cls is Parameter else cls
        made: Any = kind._share(data, bool(requires_grad))
        return made

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        if type(self) is not Parameter and not type(self).__module__.startswith("kuai."):
            first = "" if "_plain" in vars(type(self)) else "Parameter containing:\n"
            return f"{first}Parameter({super().__repr__()})"
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any):
        state = users(self)
        return _rebuild, (type(self), self.data, self.requires_grad, OrderedDict(), state)


_AS_ITS_OWN = ("__deepcopy__", "__reduce_ex__")


@functools.cache
def _of_users_class(kind: type[Tensor]) -> type[Tensor]:
    """The class of a parameter made of a tensor of a program's class: it is both.

    What comes out of operations on it is of the program's class and no parameter.
    """
    if kind.__module__.startswith("kuai.sparse"):
        of_sparse: Any = type(kind)
        return of_sparse(kind.__name__, (kind, Parameter), {"__module__": kind.__module__})
    if kind.__module__.startswith("kuai."):
        return Parameter
    if issubclass(kind, Parameter):
        return kind
    asked = next(vars(each) for each in kind.__mro__ if "__torch_function__" in vars(each))
    own = {name: getattr(kind, name) for name in _AS_ITS_OWN}
    own |= {"__torch_function__": asked["__torch_function__"], "_plain": kind}
    make: Any = type(kind)  # its metaclass
    return make(kind.__name__, (kind, Parameter), {**own, "__module__": kind.__module__})


def _rebuild(kind, data, requires_grad, backward_hooks, state):
    """A pickled parameter; hooks are not pickled, their place is kept for PyTorch's order."""
    made = kind(data, requires_grad)
    made.__dict__.update(state)
    return made


_ParameterMeta = type(Parameter)


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to.

    Args:
        data: the tensor whose storage it shares; default: an empty one.
        persistent: whether it is part of the module's `state_dict`.

    Example:
        >>> block = kuai.nn.Module()
        >>> block.mean = kuai.nn.Buffer(kuai.zeros(2))
        >>> list(block.state_dict())
        ['mean']
    """

    persistent: bool = True
    __torch_function__ = staticmethod(overriding.disabled)

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        data = _empty() if data is None else data
        data = data if isinstance(data, Tensor) else data.detach()
        made: Any = cls._share(data, data.requires_grad)
        made.persistent = persistent
        return made

    def __deepcopy__(self, memo: dict) -> Buffer:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), persistent=self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any):
        return _rebuild_buffer, (type(self), self.data, users(self))


def _rebuild_buffer(kind, data, state):
    made = kind(data)
    made.__dict__.update(state)
    return made


class Nothing:
    """Stands in the storage of an uninitialized tensor; any use explains what is missing."""

    def __init__(self, kind: str, dtype: np.dtype, device: devices.device):
        self.kind = kind
        self.dtype = dtype
        self.place = device
        self.remembered = []  # what is to be done to the values: see `deferred`

    def __getattr__(self, name: str):
        if name.startswith("__") and name != "__jax_array__":
            raise AttributeError(name)
        raise self.error(name)

    def error(self, operation: str) -> ValueError:
        """What to raise when `operation` asks for the values."""
        return ValueError(
            f"Attempted to use an uninitialized parameter in {operation}. "
            "This error happens when you are using a `LazyModule` or "
            f"explicitly manipulating `torch.nn.parameter.{self.kind}` "
            "objects. When using LazyModules Call `forward` with a dummy batch "
            "to initialize the parameters before calling torch functions"
        )


class UninitializedTensorMixin(Tensor):
    """What uninitialized parameters and buffers share."""

    cls_to_become: type[Tensor]
    __torch_function__ = staticmethod(overriding.disabled)

    @classmethod
    def _holding_nothing(cls, device: Any, dtype: dtypes.dtype | None, requires_grad: bool) -> Any:
        place = devices.get_default_device() if device is None else devices.device(device)
        kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
        made = object.__new__(cls)
        made._storage = Storage(Nothing(cls.__name__, kind, place))
        made.requires_grad = requires_grad
        return made

    def materialize(self, shape, device: Any = None, dtype: dtypes.dtype | None = None) -> None:
        """Become a real tensor of `shape`, with this one's device and dtype where none is given."""
        kind = dtypes.to_jax(self.dtype if dtype is None else dtype)
        values = np.zeros(tuple(shape), kind)
        remembered = self.forget()
        self.data = from_array(values, self.device if device is None else device)
        self.__class__ = self.cls_to_become  # type: ignore[assignment] - no longer itself
        apply_remembered([(self, remembered)])

    def remember(self, call: Callable[[Tensor], Any]) -> None:
        """Have `call(tensor)` done once the shape is known."""
        self._storage.held.remembered.append(call)

    def forget(self) -> list[Callable[[Tensor], Any]]:
        """What was to be done to the values; from now on nothing is."""
        held = self._storage.held
        remembered, held.remembered = held.remembered, []
        return remembered

    @property
    def data(self) -> Tensor:
        """A tensor that remembers what is written to it, as this one does."""
        return UninitializedData(self)

    @data.setter
    def data(self, value: Tensor) -> None:
        if value._storage is not self._storage:  # `data *= 2` assigns what it was given
            Tensor.data.__set__(self, value)

    def detach(self) -> Tensor:
        """The same as `data`."""
        return UninitializedData(self)

    @property
    def device(self) -> devices.device:
        """Where the values will lie."""
        return self._storage.held.place

    @property
    def shape(self):
        """Not known yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load "
            "an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self):
        """Impossible before the shape is known."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. "
            "Call `forward` to initialize the parameters before calling "
            "`module.share_memory()`."
        )

    def to(  # type: ignore[override] - Tensor's own has overloads, for its parts by name
        self, *args: Any, dtype: Any = None, device: Any = None, **options: Any
    ) -> Any:
        """An uninitialized tensor for another device or dtype."""
        dtype, device, _ = targets(args, dtype, device)
        device = self.device if device is None else device
        made = type(self)(self.requires_grad, device, self.dtype if dtype is None else dtype)
        made._storage.held.remembered = list(self._storage.held.remembered)
        return made

    def cpu(self, memory_format: Any = None):
        """An uninitialized tensor for the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: Any = False, memory_format: Any = None):
        """An uninitialized tensor for a GPU."""
        return self.to("cuda" if device is None else devices.device(device))

    def float(self, memory_format: Any = None):
        """An uninitialized float32 tensor."""
        return self.to(dtype=dtypes.float32)

    def double(self, memory_format: Any = None):
        """An uninitialized float64 tensor."""
        return self.to(dtype=dtypes.float64)

    def half(self, memory_format: Any = None):
        """An uninitialized float16 tensor."""
        return self.to(dtype=dtypes.float16)

    def bfloat16(self, memory_format: Any = None):
        """An uninitialized bfloat16 tensor."""
        return self.to(dtype=dtypes.bfloat16)

    def is_floating_point(self) -> bool:
        """Whether the values will be floating point numbers."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the values will be complex numbers."""
        return self.dtype.is_complex

    def copy_(self, src: Tensor, non_blocking: Any = False):
        """Nothing is copied from another uninitialized tensor; from any other it is an error."""
        if not is_lazy(src):
            raise self._storage.held.error("copy_")
        return self

    def __deepcopy__(self, memo: dict):
        if id(self) not in memo:
            memo[id(self)] = self.to()
        return memo[id(self)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any):
        plain = self.requires_grad, self.device, self.dtype
        remembered = self._storage.held.remembered
        if not remembered:
            return type(self), plain
        return _rebuild_lazy, (type(self), plain, remembered)


for _name in REMEMBERED:
    setattr(UninitializedTensorMixin, _name, remembering(_name))


def _rebuild_lazy(kind, arguments, remembered):
    made = kind(*arguments)
    made._storage.held.remembered = remembered
    return made


class UninitializedData(UninitializedTensorMixin):
    """What `data` of an uninitialized tensor is: no gradient flows, what is written is the same.

    Example:
        >>> layer = kuai.nn.LazyLinear(1)
        >>> layer.weight.data.fill_(0.5)
        <UninitializedData>
        >>> layer(kuai.ones(1, 2)).shape, layer.weight.tolist()
        (torch.Size([1, 1]), [[0.5, 0.5]])
    """

    cls_to_become = Tensor

    def __new__(cls, owner: Tensor):
        made = object.__new__(cls)
        made._storage = owner._storage
        return made


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape becomes known at the first call of its module.

    Example:
        >>> weight = kuai.nn.UninitializedParameter()
        >>> weight.materialize((2, 3))
        >>> type(weight).__name__, weight.shape
        ('Parameter', torch.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None):
        return cls._holding_nothing(device, dtype, requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape becomes known at the first call of its module."""

    cls_to_become = Buffer

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ):
        made = cls._holding_nothing(device, dtype, requires_grad)
        made.persistent = persistent
        return made


def is_lazy(param: Any) -> TypeGuard[UninitializedTensorMixin]:
    """Whether `param` is a parameter or buffer without a shape as yet.

    Example:
        >>> kuai.nn.parameter.is_lazy(kuai.nn.UninitializedBuffer())
        True
    """
    return isinstance(param, UninitializedTensorMixin)
