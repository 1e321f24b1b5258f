"""Tensor: a mutable box over an immutable JAX array.

A tensor is a window on a `Storage`: the whole of it, or, for a view, what its `_steps` read out of
it. It holds no mathematics. Operations are attached by the layers above through `method`, which is
why this file needs to know none of them.

Invariants
* `_storage` holds the base's values; `_steps` is None for a tensor that is its base, else the chain
  of view operations that leads from the base to this tensor (see `views`).
* `_node`/`_output` say which recorded operation made this tensor; a leaf has no node.
* For a differentiable view `_base` is the tensor whose history it follows; `_seen` is the count of
  in-place changes of the base's history that its own node already reflects.
Most attributes have class-level defaults, so that making a tensor sets only what is particular.
"""

import warnings
from typing import Any

import jax
import jax.core
import numpy as np

from kuai.engine.tensor import (
    attributes,
    changes,
    devices,
    dtypes,
    modes,
    overriding,
    placing,
    views,
)
from kuai.engine.tensor.promotion import c_name, scalar_name
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.storage import InferenceStorage, Storage

__all__ = ["Tensor", "from_array", "is_tensor", "method", "set_grad", "with_gradient", "wrap"]

_NO_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
    "attribute won't be populated during autograd.backward(). If you indeed want the .grad field "
    "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
    "access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See "
    "github.com/pytorch/pytorch/pull/30531 for more information."
)
_DIFFERENTIABLE = "Tensors of floating point and complex dtype can require gradients"


def _legacy_values(values, kind):
    """The values of `Tensor(values)`: a sequence of numbers, or zeros for a size."""
    if isinstance(values, Size):
        return np.zeros(values, kind)
    if isinstance(values, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(values).__name__}'")
    if isinstance(values, np.generic):
        raise TypeError(f"new(): data must be a sequence (got numpy.{type(values).__name__})")
    return np.asarray(values, kind)


class Tensor(attributes.TensorBase):
    """A multi-dimensional array that remembers how it was computed.

    `Tensor(sequence)` makes a float tensor of its values, `Tensor(2, 3)` one of that size.

    Example:
        >>> x = kuai.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    _steps: tuple | None = None
    _cache = None
    _base: "Tensor | None" = None
    _seen = 0
    _changes = 0
    _node = None
    _output = 0
    _requires_grad = False
    _grad: "Tensor | None" = None
    _accumulator = None
    _retains_grad = False
    _grad_dtype: tuple | None = None  # (dtype or None,) where it was set: see `grad_dtype`
    _hooked = None  # the node of a leaf that has or had hooks
    _node_hooked = False  # whether a hook was registered at a leaf's node itself, which may be gone
    _tangents: dict | None = None  # in forward mode: level -> tangent
    _specified: "Tensor | None" = None  # a sparse one's elements

    __dict__ = attributes.shown  # pyright: ignore[reportAssignmentType, reportGeneralTypeIssues]
    grad_fn: Any  # a property, which `autograd.inplace` attaches

    def __new__(cls, *args, **kwargs):
        """A tensor of a user's subclass has its values from here: `__init__` may do without."""
        made = object.__new__(cls)
        if (args or kwargs) and not cls.__module__.startswith("kuai."):
            ours = next(kind for kind in cls.__mro__ if kind.__module__.startswith("kuai."))
            ours.__init__(made, *args, **kwargs)
        return made

    def __init__(self, *args, device=None, **options):
        if "_storage" in attributes.own(self):  # `__new__` gave values
            return
        if options:
            raise TypeError(f"new() received an unexpected keyword argument {min(options)!r}")
        if len(args) == 1 and isinstance(args[0], Tensor):
            self._storage, self._steps = args[0]._storage, args[0]._steps
            return
        kind = dtypes.default_float_jax()
        if len(args) == 1 and (args[0] is None or isinstance(args[0], (bool, float, complex))):
            kind = type(args[0]).__name__
            raise TypeError(f"new(): data must be a sequence (got {kind})")
        if len(args) == 1 and not isinstance(args[0], (int, np.integer)):
            array = _legacy_values(args[0], kind)
        else:
            array = np.zeros(args or (0,), kind)
        self._storage = from_array(array, device)._storage

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if overriding.overrides(cls):
            overriding.ACTIVE.append(cls.__qualname__)

    @classmethod
    def _share(cls, tensor: "Tensor", requires_grad: bool = False) -> "Tensor":
        """A tensor of class `cls` on the same storage, without history."""
        made = object.__new__(cls)
        made._storage = tensor._storage
        if tensor._steps is not None:
            made._steps = tensor._steps
        if requires_grad:
            made.requires_grad = True
        return made

    @staticmethod
    def _make_subclass(cls, data: "Tensor", require_grad: bool = False, **options):
        """A tensor of a subclass on the same storage, without history."""
        return Tensor._share.__func__(cls, data, require_grad)  # type: ignore[attr-defined]

    @staticmethod
    def _make_wrapper_subclass(cls, size, *_, dtype=None, device=None, requires_grad=False, **__):
        """A tensor of a subclass that is told of operations, and has no values of its own."""
        kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
        empty = from_array(np.zeros(tuple(size), kind), device)
        return Tensor._share.__func__(cls, empty, requires_grad)  # type: ignore[attr-defined]

    # What it is -------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return tuple.__new__(Size, views.outline(self).shape)  # as Size(…), which looks at each

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(views.outline(self).shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.from_jax(views.outline(self).dtype)

    @property
    def device(self) -> devices.device:
        """Where the values lie; where `meta` is the default, that, see docs/differences.md."""
        default = devices.get_default_device()
        if default.type == "meta":
            return default
        return views.where(self)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        return self.grad_fn is None

    @property
    def requires_grad(self) -> bool:
        """Whether `backward()` computes a gradient for it."""
        return self._requires_grad or self._node is not None or self._follows_base()

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted is not True and wanted is not False:
            raise RuntimeError("requires_grad must be a bool")
        if wanted and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError(f"only {_DIFFERENTIABLE}")
        if not wanted and self.grad_fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed "
                "variable in a subgraph that doesn't require differentiation use var_no_grad = "
                "var.detach()."
            )
        if wanted != self._requires_grad:
            self._requires_grad = wanted
            changes.touch()

    def _follows_base(self) -> bool:
        base = self._base
        return base is not None and base._changes != self._seen and base.requires_grad

    # The gradient -----------------------------------------------------------------------------

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that `backward()` has accumulated here, or None."""
        capture = modes.state.capture
        if capture is not None:
            return capture.read_grad(self)
        held = self._grad
        if held is None and self._node is not None and not self._retains_grad:
            warnings.warn(_NO_LEAF, stacklevel=2)
        return held

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            _check_grad(self, value)
        set_grad(self, value)

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def grad_dtype(self) -> dtypes.dtype | None:
        """The dtype that gradients of a leaf are converted to; None leaves them as they are.

        It is the tensor's own until it is set.

        Example:
            >>> x = kuai.ones(2, requires_grad=True)
            >>> x.grad_dtype = kuai.float16
            >>> (x * 2).sum().backward()
            >>> x.grad
            tensor([2., 2.], dtype=torch.float16)
        """
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        return self.dtype if self._grad_dtype is None else self._grad_dtype[0]

    @grad_dtype.setter
    def grad_dtype(self, wanted: dtypes.dtype | None) -> None:
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        if not (wanted is None or isinstance(wanted, dtypes.dtype)):
            raise RuntimeError(
                f"grad_dtype must be a torch.dtype or None, but got {type(wanted).__name__}"
            )
        held = self.grad
        if wanted is not None and held is not None and held.dtype is not wanted:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{scalar_name(wanted.jax)}' because there is already a "
                f"gradient with dtype '{c_name(held.dtype)}'. Please clear the gradient (.grad = "
                "None) before changing grad_dtype, or ensure the new grad_dtype matches the "
                "existing gradient's dtype."
            )
        self._grad_dtype = (wanted,)
        changes.touch()

    # The two worlds ---------------------------------------------------------------------------

    def __jax_array__(self) -> jax.Array:
        return views.value(self)

    @property
    def data(self) -> "Tensor":
        """A tensor on the same storage that no gradient flows through; assigning replaces the
        values."""
        return _class_of_data(self)._share(self)

    @data.setter
    def data(self, value: "Tensor") -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        changes.touch()
        if modes.state.capture is not None:
            views.assign(self, views.held(value))
            return
        self._storage, self._steps, self._cache = value._storage, value._steps, None

    __hash__ = object.__hash__


overriding.PLAIN.add(Tensor)
attributes.keep(name for name in vars(Tensor) if not name.startswith("__"))


def _class_of_data(tensor: Tensor) -> type[Tensor]:
    """Tensor, or the program's subclass, where its tensors give more of them."""
    kind = type(tensor)
    if kind in overriding.PLAIN or modes.state.overriding_off or not overriding.overrides(kind):
        return Tensor
    return getattr(kind, "_plain", kind)


def set_grad(tensor: Tensor, value) -> None:
    """Put a gradient, or None, into a tensor's `.grad`."""
    state = modes.state
    if state.capture is not None:
        state.capture.write_grad(tensor, value)
        return
    if state.recorder is not None:
        state.recorder.replace_grad(tensor, value)
    tensor._grad = value


def _check_grad(tensor: Tensor, value) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            "assigned grad expected to be a Tensor or None but got grad of type "
            f"{type(value).__name__}"
        )
    if value is tensor:
        raise RuntimeError("can't assign Variable as its own grad")
    if value.shape != tensor.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
            f"'{list(tensor.shape)}'. Please ensure that the gradient and the tensor are the same "
            "size"
        )
    wanted = tensor.dtype if tensor._grad_dtype is None else tensor._grad_dtype[0]
    if wanted is not None and value.dtype is not wanted:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{c_name(value.dtype)}' to a "
            f"tensor with grad_dtype '{scalar_name(wanted.jax)}'. The gradient must match "
            "the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's "
            "grad_dtype attribute with a specific dtype, or None to allow any dtype. Set "
            "grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break "
            "downstream systems that assume they match."
        )


def wrap(array) -> Tensor:
    """A new tensor, without history, that owns `array`."""
    made = object.__new__(Tensor)
    state = modes.state
    made._storage = InferenceStorage(array) if state.inference else Storage(array)
    capture = state.capture
    if capture is not None:
        capture.adopt(made._storage)
    return made


def from_array(array, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor with the values of a NumPy or JAX array, on `device` (default: the default device).

    A JAX array stays on its own device unless one is named.
    """
    if modes.state.capture is not None:
        made = wrap(jax.numpy.asarray(array))
    elif isinstance(array, jax.core.Tracer):
        made = wrap(array)
    elif device is None and isinstance(array, jax.Array):
        # tied to its device, as all of ours are
        made = wrap(array if array.committed else jax.device_put(array, array.sharding))
    else:
        made = wrap(placing.put(array, devices.jax_device(device)))
    return with_gradient(made, requires_grad) if requires_grad else made


def with_gradient(made: Tensor, wanted: bool = True) -> Tensor:
    """A new tensor as a leaf that requires a gradient."""
    if wanted is not True:
        raise TypeError(f"argument 'requires_grad' must be bool, not {type(wanted).__name__}")
    if not (made.dtype.is_floating_point or made.dtype.is_complex):
        raise RuntimeError(f"Only {_DIFFERENTIABLE}")
    made.requires_grad = True
    return made


def is_tensor(obj) -> bool:
    """Whether `obj` is a `kuai.Tensor`."""
    return isinstance(obj, Tensor)


def method(function=None, *, name: str | None = None):
    """Attach a function, or a property, to Tensor; used by the layers above.

    @method
    @property
    def nbytes(self):
        return self.numel() * self.element_size()
    """
    if function is None:
        return lambda f: method(f, name=name)
    named: Any = function.fget if isinstance(function, property) else function
    setattr(Tensor, name or named.__name__, function)
    return function
